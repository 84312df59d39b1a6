"""What every maker's GPUs share: tracks, edges, samples, and how a reading is made of them."""
