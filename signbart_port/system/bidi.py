"""Text of both directions: Arabic, Hebrew and other right-to-left letters among left-to-right ones.

Digits and punctuation beside such letters are drawn among them, in another order than they are
stored in: "A taken for B 2 of 6" may read "A taken for 2 B of 6".
"""

from __future__ import annotations

import re

LEFT_TO_RIGHT_MARK = "\u200e"
"""It has no width, and ends a run of right-to-left text."""

_LETTERS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
RIGHT_TO_LEFT = re.compile(rf"{_LETTERS}(?:[\W_]+{_LETTERS})*")
"""A run of right-to-left words."""
