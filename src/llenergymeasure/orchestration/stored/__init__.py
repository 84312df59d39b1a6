"""What lies in a results folder: listed, found, selected."""
