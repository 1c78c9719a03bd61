"""The version of this program, as it is installed."""

from importlib.metadata import version

__version__ = version("signbart-port")
"""The version of this program."""
