"""The command `pair list`."""

from __future__ import annotations

from signbart_port.cli import _options, _show


def pair_list(json: _options.Json = False) -> None:
    """List the installed pairs: the names that --pair takes, and the class of each.

    None of them is imported.
    """
    from signbart_port.parity.load_pair import installed_classes

    found = installed_classes()
    if json:
        _show.as_json(found)
    else:
        _show.facts(list(found.items()))
