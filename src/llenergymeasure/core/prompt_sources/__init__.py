"""Where prompts come from: files, datasets, formulas."""
