"""Drafts of mappings for two models that are there with names and shapes on both sides."""

from signbart_port.transfer.suggest.live.draft import Draft, draft
from signbart_port.transfer.suggest.live.leftovers import Kept

__all__ = ["Draft", "Kept", "draft"]
