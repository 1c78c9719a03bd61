"""The proof: the same inputs through two models, every module's output compared with float64
truth."""
