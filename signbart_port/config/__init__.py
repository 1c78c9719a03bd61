"""The config of a SignBART and of its training: files in, validated values out."""

from signbart_port.config.files import find, load, named, published_names, read
from signbart_port.config.model import SIZES, SignBartConfig, parse, training_keys

__all__ = [
    "SIZES",
    "SignBartConfig",
    "find",
    "load",
    "named",
    "parse",
    "published_names",
    "read",
    "training_keys",
]
