"""The evaluation of models of any kind on a dataset, side by side."""
