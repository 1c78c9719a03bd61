"""The commands of `sh` fences: why each is not run, and whether it could be."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from typer.main import get_command

from signbart_port.cli.main import app

NOT_RUN = {
    r"git clone .*": "needs a network",
    r"pip install .*": "needs a network; tools/environments.py installs, before a release",
    r"signbart-port .* hf://.*": "needs a network; tests/hub/ has a hub on this machine",
    r"make( \w+)*( TORCH_INDEX=\S+)?": "makes an environment; CI runs it by itself",
    r"\. \.venv/bin/activate": "the environment that `make` has made",
    r"mkdir (try|guide) && cd (try|guide)": "a page begins in a new folder",
    r"cp (\.\./)?samples/.*": "the folder that a page begins with has these files",
    r"python -c .*samples/clips\.npz.*": "and this one",
    r"signbart-port (convert model\.pth|tflite model\.h5)": "run at the top of README",
    r"signbart-port data synth signs --signers 6 --classes 10": "and this dataset",
    r"signbart-port convert (last|checkpoint|model\.safetensors)\..*": "others' checkpoints",
    r"python -m pt_reference\.train --config lsa-64 .*": "trains 30 epochs",
    r"signbart-port .*\b(checkpoints|tuned)\b.*": "goes on with it; docs/export.md trains one",
    r"node .*": "needs Node.js; CI replays golden vectors where it is installed",
    r"python tools/soak\.py .*": "takes minutes to hours; tests/tools/ runs a part of each",
    r"torchrun .*": "tests/training/ trains on two processes",
    r"TF_CONFIG=.* train .*": "needs two machines",
    r"signbart-port web .* --serve": "ends with Ctrl-C; tests/web/ opens the page in a browser",
    r"signbart-port .* --skeleton .*": "needs clips of another detector",
    r"signbart-port .* --pair fork_pair\.py .*": "needs the class of a fork",
}
"""A reason for each pattern of commands that nothing here runs."""
_TRAININGS = ("pt_reference.train", "pt_reference.train_loso")
"""Modules that have the options of `signbart-port train`."""


def reason_not_run(command: str) -> str | None:
    """Return why a command is not run; None if it is not known, and so has to be."""
    words = " ".join(command.partition(" #")[0].replace("\\\n", " ").split())
    return next((why for known, why in NOT_RUN.items() if re.fullmatch(known, words)), None)


def problem(command: str) -> str | None:
    """Return what bash, or this program, would refuse in a command before it does anything."""
    read = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
    if read.returncode:
        return read.stderr.strip()
    return next(filter(None, map(usage_problem, _own(command))), None)


def usage_problem(arguments: Sequence[str], *, complete: bool = True) -> str | None:
    """Return what is wrong with the arguments of signbart-port; where they are not `complete`, as
    in prose, only what does not exist."""
    group: Any = get_command(app)
    parent, name, rest = None, "signbart-port", list(arguments)
    try:
        while True:
            parent = group.make_context(name, rest, parent=parent)
            if not hasattr(group, "resolve_command"):
                return None
            rest = [*parent._protected_args, *parent.args]
            name, group, rest = group.resolve_command(parent, rest)
    except Exception as error:
        wrong = " ".join(str(error).split())
        exists = not wrong.startswith("No such")
        return None if exists and not complete else f"{shlex.join(arguments)}: {wrong}"


def _own(command: str) -> Iterator[list[str]]:
    """Yield the arguments of signbart-port wherever a command line calls it."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            program = next((at for at, one in enumerate(words) if "=" not in one), None)
            training = next((at for at, one in enumerate(words) if one in _TRAININGS), None)
            if program is not None and words[program] == "signbart-port":
                yield words[program + 1 :]
            elif training is not None:
                yield ["train", *words[training + 1 :]]
            words = []
        else:
            words.append(word)
