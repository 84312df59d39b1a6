"""Sums over processes and cycles: joules, emissions, conditions, and what speaks against them."""
