"""Text of a file, such as a label, as a string literal of a programming language.

Labels and names are a stranger's: what is no plain character of the text becomes an escape, so that
it cannot end the literal or hide what follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from signbart_port.errors import printable

_WIDTH = 100
_INDENT = "    "


def python(text: str) -> str:
    """Return a literal of Python."""
    return _quoted(text, "", lambda char: ascii(char)[1:-1])


def javascript(text: str) -> str:
    """Return a literal of JavaScript or TypeScript."""
    return _quoted(text, "", _utf16)


def kotlin(text: str) -> str:
    """Return a literal of Kotlin."""
    return _quoted(text, "$", _utf16)


def swift(text: str) -> str:
    """Return a literal of Swift."""
    return _quoted(_encodable(text), "", lambda char: f"\\u{{{ord(char):X}}}")


def dart(text: str) -> str:
    """Return a literal of Dart."""
    return _quoted(_encodable(text), "$", lambda char: f"\\u{{{ord(char):X}}}")


def cpp(text: str) -> str:
    """Return a literal of C++, whose bytes are UTF-8."""
    return _quoted(
        _encodable(text), "", lambda char: "".join(f"\\{byte:03o}" for byte in char.encode())
    )


def comment(text: str) -> str:
    """Return text that cannot end a comment of a line."""
    return printable(text)


def wrapped(items: Iterable[str]) -> str:
    """Return items of a list on lines of a program, each with a comma behind it."""
    lines, line = list[str](), _INDENT
    for item in items:
        if len(line) > len(_INDENT) and len(line) + len(item) + 1 > _WIDTH:
            lines.append(line.rstrip())
            line = _INDENT
        line += f"{item}, "
    return "\n".join([*lines, line.rstrip()])


def _quoted(text: str, special: str, escape: Callable[[str], str]) -> str:
    body = (
        f"\\{char}" if char in f'\\"{special}' else char if char.isprintable() else escape(char)
        for char in text
    )
    return f'"{"".join(body)}"'


def _utf16(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _encodable(text: str) -> str:
    """Return text without the halves of characters, which these languages cannot hold."""
    return text.encode(errors="replace").decode()
