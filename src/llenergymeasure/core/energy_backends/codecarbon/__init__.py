"""CodeCarbon as a source: what its numbers are worth, domain by domain."""
