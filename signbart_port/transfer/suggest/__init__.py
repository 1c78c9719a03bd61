"""Drafts of mappings: rules for names that no mapping knows."""

from signbart_port.transfer.suggest.search import Line, Suggestions, suggest

__all__ = ["Line", "Suggestions", "suggest"]
