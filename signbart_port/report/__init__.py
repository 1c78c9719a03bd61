"""A proof as a file: a page for people (.html), plain data for machines (.json)."""

from signbart_port.report.write import check, write

__all__ = ["check", "write"]
