"""What commands share: options, questions, completion, the lazy table of commands."""
