"""The PyTorch engine: tokenising, decoding, the device."""
