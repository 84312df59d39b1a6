"""Several energy sources as one: who reads what, who checks whom."""
