"""What the measuring process does, from the idle device to the saved raw results."""
