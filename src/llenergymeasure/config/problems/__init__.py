"""What is wrong with a config, where, and the nearest valid thing."""
