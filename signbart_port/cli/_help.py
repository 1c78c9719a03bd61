"""The help of a command: what a person types, examples, and no type of Python's."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

from signbart_port import requirements
from signbart_port.errors import PortError, printable
from signbart_port.untrusted.weights_file import SUFFIXES

EXAMPLES = {
    "convert": (
        "convert model.pth --out model.h5",
        "convert model.pth --config lsa-64 --report proof.html",
        "convert runs/ --out-dir models/",
        "convert net.pth --pair my_pair.py --out net.keras",
    ),
    "check": ("data check signs/", "data check signs/ --skeleton holistic-543 --skip-bad"),
    "doctor": ("doctor", "doctor --run"),
    "evaluate": (
        "evaluate model.pth model.h5 --data signs/",
        "evaluate phone.tflite --data signs/ --split val --report page.html",
    ),
    "export": ("export tuned.h5 --out tuned.pth", "export tuned.h5 --container training"),
    "export-converter": (
        "pair export-converter --pair hf-bert",
        "pair export-converter --pair my_pair.py --style keras-hub --out convert_net.py",
    ),
    "inspect": ("inspect model.pth", "inspect model.h5 --config-out signs.yaml"),
    "list": ("pair list", "pair list --json"),
    "plan": ("plan model.pth", "plan fork.pth --out my.yaml"),
    "predict": (
        "predict phone.tflite clip.npy",
        "predict model.h5 clips/ --top 1",
        "predict --check golden.json",
    ),
    "snippets": (
        "snippets phone.tflite --language kotlin",
        "snippets phone.tflite --language javascript --runtime node --out recognize.mjs",
    ),
    "synth": ("data synth signs/", "data synth signs/ --signers 6 --classes 10"),
    "tflite": (
        "tflite model.h5 --quantization dynamic --frames 16,32,64",
        "tflite model.pth --preprocessing --labels label2id.json",
        "tflite model.h5 --quantization int8 --calibration signs/",
    ),
    "train": (
        "train --config signs.yaml --data signs/ --epochs 30",
        "train --from model.h5 --data signs/ --checkpoint-dir tuned",
    ),
    "verify": (
        "verify model.pth model.h5",
        "verify runs/ models/",
        "verify --vary --pair my_pair.py --config net.yaml",
    ),
    "web": ("web phone.tflite --serve", "web phone.tflite clips/a.npy --out site/"),
}
"""Command lines of each command, without the name of the program."""
ALIASES = ("--quantize",)
"""Other spellings, which go on working and are not shown."""
_VERB_OF = dict.fromkeys(SUFFIXES, "convert") | {
    ".h5": "tflite",
    ".keras": "tflite",
    ".tflite": "inspect",
}
"""What is probably meant where no command is named, by the suffix of the model."""
_WORDS = {
    "<int>": "N",
    "<int range>": "N",
    "<float>": "X",
    "<float range>": "X",
    "<path>": "FILE",
    "<str>": "TEXT",
}


class Command(TyperCommand):
    """A command that checks its packages first, with examples and help that names values in
    words."""

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, help=_paragraphs(help), **kwargs)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        lines = [f"signbart-port {line}" for line in EXAMPLES.get(self.name or "", ())]
        self.epilog = "\n\n".join(["[bold]Examples[/]", *lines]) if lines else None
        for param in self.params:
            param.opts = [one for one in param.opts if one not in ALIASES]
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line; none is empty, which would be the current folder.

        Raises PortError for one that is.
        """
        for word in args:
            if not word or (word.startswith("--") and word.endswith("=")):
                option = f" ({printable(word)})" if word else ""
                what = f"{self.name} is given an empty name{option}"
                raise PortError(None, what, "A variable of the shell may be unset")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless it lacks packages for these arguments."""
        requirements.check(self.name or "", ctx.params)
        return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each with what stands for its value."""
        return _named(super().get_params(ctx), ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line after the name."""
        arguments = [one for one in self.params if isinstance(one, TyperArgument)]
        return ["[OPTIONS]", *(one.display_name_raw for one in arguments)]


class Group(TyperGroup):
    """The program, or a group of its commands, whose help names no type of Python's."""

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, help=_paragraphs(help), **kwargs)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each with what stands for its value."""
        return _named(super().get_params(ctx), ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first word names; where that is a model, the error says what
        is done with one."""
        verb = _VERB_OF.get(PurePath(args[0]).suffix.lower())
        if verb and ctx.parent is None:
            word = printable(args[0])
            ctx.fail(f"No such command {word!r}. Did you mean 'signbart-port {verb} {word}'?")
        return super().resolve_command(ctx, args)


def _paragraphs(text: str | None) -> str | None:
    """Join the lines of each paragraph: the terminal wraps them, and not the docstring."""
    return text and re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def _named(params: list[Any], ctx: Any) -> list[Any]:
    for param in params:
        if isinstance(param, TyperArgument) or getattr(param, "is_flag", False):
            shown = None
        else:
            stated = param.display_type(ctx) or ""
            shown = param.metavar or _WORDS.get(stated, stated.strip("<>").upper())
        param.display_type_rich = lambda ctx, shown=shown: shown
    return params
