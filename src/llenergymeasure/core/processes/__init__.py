"""Processes: what the kernel tells of them, which are ours, what CPU time they used."""
