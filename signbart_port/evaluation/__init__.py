"""How well models of any kind do on a dataset, side by side."""
