"""Idle power: measured, kept, taken off."""
