"""The reference SignBART in PyTorch (arXiv 2506.21592), written from its specification.

Module and parameter names are those of the checkpoints, so `load_state_dict(strict=True)` reads
them. `signbart_port/keras_model/` mirrors these files one by one.
"""

from pt_reference.model import SignBart

__all__ = ["SignBart"]
