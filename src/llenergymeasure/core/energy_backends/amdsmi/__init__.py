"""AMD GPUs through amdsmi: devices, names."""
