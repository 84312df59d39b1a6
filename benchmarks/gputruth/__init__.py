"""The parts of gpu_truth.py: experiments, what drives the GPU meanwhile, what follows from them."""
