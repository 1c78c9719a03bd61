"""Model files of every kind, and what it takes to read them."""
