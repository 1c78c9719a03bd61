"""The command `doctor`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import PortError, listed

if TYPE_CHECKING:
    from signbart_port.verbs._doctor import CaseState, Diagnosis, PackageState


def doctor(
    run: Annotated[
        bool,
        typer.Option("--run", help="Import every package as well, to see whether it starts."),
    ] = False,
    json: _options.Json = False,
) -> None:
    """Say what is installed, which commands work with it, and what is wrong with it.

    Exit code 0: all that is installed works together; 2: something does not.
    """
    from signbart_port.verbs._doctor import diagnose

    with _show.steps(json) as progress:
        found = diagnose(progress if run else None)
    if json:
        _show.as_json(dataclasses.asdict(found))
    else:
        _show.facts(list(_rows(found)))
    if broken := [fault for fault in found.faults if fault.broken]:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise PortError(None, f"{broken[0].what}{more}", broken[0].remedy)


def _rows(found: Diagnosis) -> Iterator[tuple[str, str]]:
    yield "signbart-port", f"{found.version}, Python {found.python}, {found.system}"
    for extra in dict.fromkeys(one.extra for one in found.packages):
        of = [_version(one) for one in found.packages if one.extra == extra]
        yield f"[{extra}]" if extra else "base", ", ".join(of)
    lacking = [one for one in found.cases if one.missing]
    never = {verb for one in lacking if not one.case for verb in one.verbs}
    verbs = dict.fromkeys(verb for one in found.cases for verb in one.verbs)
    yield "runs", ", ".join(sorted(verbs.keys() - never))
    yield from _show.labeled("lacks", [_lacks(one) for one in lacking])
    faults = [f"{fault.what}. {fault.remedy}" for fault in found.faults]
    yield from _show.labeled("faults", faults)


def _version(one: PackageState) -> str:
    return f"{one.name} {one.version or 'is not installed'}"


def _lacks(one: CaseState) -> str:
    command = f"{', '.join(one.verbs)} {one.case}".rstrip()
    return f"{command}: {listed(one.missing)}, of [{','.join(one.extras)}]"
