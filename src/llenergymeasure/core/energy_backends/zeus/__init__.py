"""Zeus as a source or a cross-check."""
