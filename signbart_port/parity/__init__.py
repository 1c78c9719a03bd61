"""The proof: the same inputs through two models, every output compared with float64 truth."""
