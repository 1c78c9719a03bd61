"""The output of a model on clips, whatever its kind, in a process of its own."""
