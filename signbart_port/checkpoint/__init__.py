"""The only place that opens .pth, .pt and .safetensors files: safely, and without any framework."""

from signbart_port.checkpoint.names import NameRules
from signbart_port.checkpoint.reader import Checkpoint, read
from signbart_port.untrusted.file_kind import Kind, sniff
from signbart_port.untrusted.tensors import Rounding

__all__ = ["Checkpoint", "Kind", "NameRules", "Rounding", "read", "sniff"]
