"""Joules from a recording or a formula: the fake energy source, which is product code."""
