"""NVIDIA GPUs through NVML: devices, states, names."""
