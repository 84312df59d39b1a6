"""How numbers, lines and tables are put into text."""
