"""The CPU's energy counters in powercap: zones, sums over wraps, mirrors, readings."""
