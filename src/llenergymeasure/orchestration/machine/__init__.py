"""Questions about this machine: doctor, GPUs, backends."""
