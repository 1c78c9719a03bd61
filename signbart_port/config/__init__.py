"""The config of a SignBART and of its training: files in, validated values out.

The names are imported when they are first used: the command line needs `config.joints` for its
help, and neither Pydantic nor YAML.
"""

from typing import TYPE_CHECKING

from signbart_port.system.lazy_package import lazy_package

if TYPE_CHECKING:
    from signbart_port.config.files import find as find
    from signbart_port.config.files import load as load
    from signbart_port.config.files import named as named
    from signbart_port.config.files import open_config as open_config
    from signbart_port.config.files import published_names as published_names
    from signbart_port.config.files import read as read
    from signbart_port.config.files import read_file as read_file
    from signbart_port.config.files import read_text_of as read_text_of
    from signbart_port.config.foreign import Adapted as Adapted
    from signbart_port.config.foreign import adapt as adapt
    from signbart_port.config.model import SIZES as SIZES
    from signbart_port.config.model import SignBartConfig as SignBartConfig
    from signbart_port.config.model import parse as parse
    from signbart_port.config.model import training_keys as training_keys

_HOMES = {
    "Adapted": "signbart_port.config.foreign",
    "SIZES": "signbart_port.config.model",
    "SignBartConfig": "signbart_port.config.model",
    "adapt": "signbart_port.config.foreign",
    "find": "signbart_port.config.files",
    "load": "signbart_port.config.files",
    "named": "signbart_port.config.files",
    "open_config": "signbart_port.config.files",
    "parse": "signbart_port.config.model",
    "published_names": "signbart_port.config.files",
    "read": "signbart_port.config.files",
    "read_file": "signbart_port.config.files",
    "read_text_of": "signbart_port.config.files",
    "training_keys": "signbart_port.config.model",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_package(__name__, _HOMES)
