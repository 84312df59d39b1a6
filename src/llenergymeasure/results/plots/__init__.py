"""Samples of a window as curves: thinned, drawn, rendered."""
