"""Standards as data files, each value with its source and confidence, and what reads them."""
