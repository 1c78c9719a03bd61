"""Errors from Python speak Python."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import signbart_port
from signbart_port.system.python_words import ARGUMENTS, FLAGS, FUNCTIONS, IN_OPTIONS, in_python
from signbart_port.verbs.convert import convert

PACKAGE = Path(signbart_port.__file__).parent
SAMPLE = PACKAGE.parent / "samples" / "synthetic-signs.pth"
COMMAND_LINE_ALONE = {
    *(
        "checkpoint-dir",
        "classes",
        "confusion",
        "force-reinstall",
        "from",
        "holdout",
        "index-url",
        "new-head",
        "perturb",
        "pytorch",
        "quantization-aware",
        "repetitions",
        "report",
        "resume",
        "vary",
    ),
    *("seed", "set", "signers"),  # of train and data synth
    "no-verify",  # in a note that a file keeps
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("exists; give --force to replace it", "exists; give force=True to replace it"),
        ("Give --data DIR", "Give data=DIR"),
        ("Give --frames 64, or --frames 16,32,64", "Give frames=64, or frames=16,32,64"),
        ("Give another --frames", "Give another frames"),
        (
            "with --heads N and --joints NAME|LIST",
            "with Options.heads=N and Options.joints=NAME|LIST",
        ),
        ('--weights "ema" takes them', 'Options.weights="ema" takes them'),
        ("--config and --weights are for", "Options.config and Options.weights are for"),
        ("add --override-config if", "add Options.override_config=True if"),
        ("--skeleton kaggle: is no skeleton", "skeleton kaggle: is no skeleton"),
        (
            "such as --config lsa-64, or --joints mediapipe-75:0,4-6).",
            'such as Options.config="lsa-64", or Options.joints="mediapipe-75:0,4-6").',
        ),
        ("with --force 2 clips", "with force=True 2 clips"),
        (
            "See: signbart-port plan 'my \"a\" 1.pth' --mapping my.yaml",
            r'See: signbart_port.plan("my \"a\" 1.pth", mapping="my.yaml")',
        ),
        (
            "See: signbart-port inspect FILE --heads N --sizes-from-checkpoint",
            "See: signbart_port.inspect_file(FILE, options=signbart_port.Options(heads=N,"
            " sizes_from_checkpoint=True))",
        ),
        (
            "Look: signbart-port plan './--force\n.pth'",
            r'Look: signbart_port.plan("./--force\n.pth")',
        ),
        ("Make one: signbart-port data synth DIR", "Make one: signbart-port data synth DIR"),
        ("signbart-port export makes one", "signbart_port.export makes one"),
        ("Make it again, with signbart-port tflite", "Make it again, with signbart_port.to_tflite"),
        ("is for signbart-port train", "is for signbart-port train"),
        ("give --resume, a---data b, --no-such", "give --resume, a---data b, --no-such"),
    ],
)
def test_options_become_arguments(message: str, expected: str) -> None:
    assert in_python(message) == expected


def test_every_option_in_a_message_has_its_words() -> None:
    named = {
        option
        for path in PACKAGE.rglob("*.py")
        if "cli" not in path.relative_to(PACKAGE).parts
        for option in re.findall(r"(?<![\w-])--([a-z][a-z-]*[a-z])", path.read_text())
    }
    assert "force" in named
    assert named == ARGUMENTS | IN_OPTIONS | COMMAND_LINE_ALONE


def test_no_message_has_a_shell_command_in_python() -> None:
    """Every text of the program but its command line, with X for what is filled in."""
    shell = re.compile(
        r"signbart-port (?!train\b|data\b)[a-z]"  # neither is a function
        r"|signbart_port\.\w+ (X|[\"']|\S*[./]\S|--)"  # a command's arguments, without its colon
        r"|on the command line"
    )
    found = {
        f"{path.relative_to(PACKAGE)}:{line}: {said}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if "cli" not in path.relative_to(PACKAGE).parts and path.stem != "python_words"
        for line, text in texts(ast.parse(path.read_text()))
        if shell.search(said := in_python(text))
    }
    assert found == set()
    for seeded in ("Run signbart-port plan X", "Say it on the command line", "signbart-port pair"):
        assert shell.search(in_python(seeded))


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the content of each string that is no docstring."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [one.value if isinstance(one, ast.Constant) else "X" for one in node.values]
            yield node.lineno, "".join(map(str, parts))
            skipped |= {id(one) for one in node.values}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_every_argument_is_one_of_a_public_function() -> None:
    functions = [
        value
        for name in signbart_port.__all__
        if inspect.isfunction(value := getattr(signbart_port, name))
    ]
    parameters = {name for function in functions for name in inspect.signature(function).parameters}
    assert len(functions) == 24
    of_python = {"hub_access", "load", "prove", "transfer_weights", "assert_equal"}
    of_python |= {"convert_pair", "export_converter", "export_pair", "prove_pair", "to_tflite_pair"}
    of_python |= {"plan_pair", "replay_golden", "snippets", "vary_pair", "verify_pair"}
    assert set(FUNCTIONS.values()) == {function.__name__ for function in functions} - of_python
    assert {name.replace("-", "_") for name in ARGUMENTS} <= parameters
    assert {name.replace("-", "_") for name in IN_OPTIONS} <= {
        f.name for f in fields(signbart_port.Options)
    }
    assert FLAGS <= ARGUMENTS | IN_OPTIONS


def test_the_public_function_speaks_python_and_the_command_line_its_own(tmp_path: Path) -> None:
    (out := tmp_path / "model.h5").write_bytes(b"old")
    with pytest.raises(signbart_port.PortError, match=r"model\.h5: exists; give force=True to"):
        signbart_port.convert(SAMPLE, out)
    with pytest.raises(signbart_port.PortError, match=r"model\.h5: exists; give --force to"):
        convert(SAMPLE, out)
    with pytest.raises(signbart_port.PortError, match=r"signbart_port\.convert makes a Keras"):
        signbart_port.export(SAMPLE)
    (named := tmp_path / "--force.pth").write_bytes(b"text")
    with pytest.raises(signbart_port.PortError, match=r"--force\.pth: is ") as caught:
        signbart_port.convert(named)
    assert caught.value.path == named
