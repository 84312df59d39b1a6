"""From reads of one device to joules, intervals and faults: numpy only, no I/O."""
