"""Joules of any program: lem measure and EnergyMeter."""
