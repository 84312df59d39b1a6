"""Joules of the CPU and memory by a model, where nothing can be read."""
