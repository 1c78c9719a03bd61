"""Pages of the site that are made from the program itself: its commands, its API, its schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

import signbart_port
from signbart_port.cli._help import ALIASES, EXAMPLES
from signbart_port.cli.main import app

PACKAGE = Path(signbart_port.__file__).parent
SCHEMAS = "*schema.json"


def commands() -> str:
    """Return the page of all commands, as typer documents them, with their examples."""
    program = get_command(app)
    context = typer.Context(program, info_name=app.info.name, **program.context_settings)
    for name, command in commands_of(program):
        command.short_help = command.help.partition("\n\n")[0]  # or it would be cut
        examples = EXAMPLES.get(name.split()[-1], ())
        lines = "\n".join(f"{app.info.name} {line}" for line in examples)
        command.epilog = f"**Examples**:\n\n```sh\n{lines}\n```" if lines else None
    page = get_docs_for_click(obj=program, ctx=context, name=str(app.info.name), title="Commands")
    for alias in ALIASES:
        page = page.replace(f", {alias}", "")
    return page


def commands_of(group: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command below `group` by its words, such as `data check`."""
    for name, command in group.commands.items():
        yield f"{words}{name}", command
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{words}{name} ")


def api() -> str:
    """Return the page of the public names, for mkdocstrings.

    Raises ValueError for a name without a docstring.
    """
    package: Any = griffe.load("signbart_port", search_paths=[PACKAGE.parent])
    sections: dict[str, list[str]] = {"function": [], "class": []}
    bare = []
    for name in sorted(signbart_port.__all__, key=str.lower):
        target = package[name].final_target
        bare += [f"{name}{member}" for member in undocumented(target)]
        sections.setdefault(target.kind.value, []).append(f"::: signbart_port.{name}")
    if bare:
        raise ValueError(f"public names without a docstring: {', '.join(bare)}")
    titles = {"function": "Functions", "class": "Classes", "attribute": "Constants"}
    body = "\n\n".join(
        "\n\n".join([f"## {titles[kind]}", *names]) for kind, names in sections.items()
    )
    return f"# Python API\n\nEverything that `import signbart_port` names.\n\n{body}\n"


def undocumented(target: Any) -> Iterator[str]:
    """Yield what has no docstring: nothing for `target` itself, `.NAME` for a member of a class."""
    if not target.has_docstring:
        yield ""
    if target.is_class:
        for name, member in target.members.items():
            # pydantic reads `model_config`: it is no field
            hidden = member.is_alias or name.startswith("_") or name == "model_config"
            if not (hidden or member.has_docstring):
                yield f".{name}"


def schemas() -> str:
    """Return the page of the JSON schemas that are installed with the package."""
    parts = ["# JSON schemas", "Installed with the package, in `signbart_port/`."]
    for path in sorted(PACKAGE.rglob(SCHEMAS)):
        text = path.read_text("utf-8")
        schema = json.loads(text)
        parts += [
            f"## {path.relative_to(PACKAGE).as_posix()}",
            schema["title"] + ".",
            schema.get("description", ""),
        ]
        parts += ["| key | type | |\n|---|---|---|\n" + "\n".join(_rows(schema, schema))]
        parts += [f"The schema:\n\n```json\n{text.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _rows(root: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield a row of the table for each key of an object, and of the objects in it."""
    for name, stated in schema.get("properties", {}).items():
        key = f"{path}.{name}" if path else name
        value = _resolved(root, stated)
        said = stated.get("description") or value.get("description", "")
        kind = " or ".join(dict.fromkeys(_kinds(root, value)))
        yield f"| `{key}` | {kind} | {' '.join(said.split()).replace('|', chr(92) + '|')} |"
        yield from _rows(root, value, key)
        yield from _rows(root, _resolved(root, value.get("items", {})), f"{key}[]")


def _resolved(root: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Return what a schema refers to, if it is one definition of the same file."""
    if type(schema) is not dict:  # true or false: anything, or nothing more
        return {}
    reference = schema.get("$ref")
    found: dict[str, Any] = (
        root["$defs"][reference.removeprefix("#/$defs/")] if reference else schema
    )
    return found


def _kinds(root: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    if "const" in schema:
        yield f"`{json.dumps(schema['const'])}`"
    elif "enum" in schema:
        yield from (f"`{json.dumps(value)}`" for value in schema["enum"])
    elif "type" in schema:
        yield from [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _kinds(root, _resolved(root, one))
