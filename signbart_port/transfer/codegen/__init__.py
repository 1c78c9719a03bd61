"""Mappings as Python: converters in the style of another library."""

from signbart_port.transfer.codegen.keras_hub import converter

__all__ = ["converter"]
