"""The two implementations of a pair, proven without a checkpoint: on one config, and on others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import signbart_port
from signbart_port.errors import PortError
from signbart_port.parity.load_pair import installed
from tests.support.small_models import save_pth, small_config, state_dict

Program = Callable[..., tuple[int, str, str]]
PAIR = '''
import numpy as np
import signbart_port
from signbart_port import Case, Mapped, Pair, Required


class Small(Pair):
    """Two layers; a table that PyTorch computes, and a bias that only PyTorch has."""

    mapping = "small.yaml"
    keys = {"width": Mapped(), "activation": Required(("relu", "gelu", "silu"))}
    example = {"width": 3}

    def torch_model(self, config):
        import torch

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.one = torch.nn.Linear(4, config["width"])
                self.two = torch.nn.Linear(config["width"], 2)
                self.register_buffer("table", torch.tensor([1.0, 2.0, 3.0, 4.0]))

            def forward(self, x):
                x = getattr(torch.nn.functional, config["activation"])(self.one(x * self.table))
                return self.two(x)

        return Net()

    def keras_model(self, config):
        import keras

        x = keras.Input((4,), name="x")
        table = np.arange(1, 5)
        y = keras.layers.Rescaling(table, name="table")(x)
        y = keras.layers.Dense(config["width"], name="one")(y)
        y = keras.layers.Activation(config["activation"])(y)
        return keras.Model(x, keras.layers.Dense(2, use_bias=False, name="two")(y))

    def cases(self, config, seed):
        x = np.random.default_rng(seed).standard_normal((3, 4), np.float32)
        return [Case("noise", {"x": x}, {"x": x})]

    def vary(self, config):
        names = ("relu", "gelu", "tanh")
        return [{"width": 5}, *({"activation": name} for name in names), {"width": 3}]
'''
MAPPING = """
schema: 2
family: small
kinds:
  biased:
    - {torch: weight, keras: kernel, axes: out in -> in out}
    - {torch: bias, keras: bias, axes: out}
  plain:
    - {torch: weight, keras: kernel, axes: out in -> in out}
    - {torch: bias, axes: out, fill: 0}
modules:
  - {path: one, kind: biased}
  - {path: two, kind: plain}
ignore:
  torch:
    - {match: table, why: it is computed}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a pair's file, in which the program is run."""
    (tmp_path / "small.py").write_text(PAIR)
    (tmp_path / "small.yaml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_both_are_built_from_the_config_alone(folder: Path) -> None:
    report = signbart_port.prove_pair("small.py")
    assert report.passed and report.same_structure and report.weights.passed
    assert (report.reference, report.candidate) == (
        "small.py:Small in PyTorch",
        "small.py:Small in Keras",
    )
    assert "the weights are perturbed ones: nothing is said of a checkpoint's" in report.notes
    assert "config: the pair's own example" in report.notes
    assert [row.tap for row in report.rows] == ["one", "two", "logits"]
    assert sorted(path.name for path in folder.iterdir() if path.suffix) == [
        "small.py",
        "small.yaml",
    ]


@pytest.mark.release
@pytest.mark.usefixtures("cold_workers")  # a fork has the random state of its server
def test_figures_are_the_same_in_every_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)  # of the processes that run the pair's file
        reports.append(signbart_port.prove_pair("small.py"))
    first, second = reports
    assert first.rows == second.rows and first.structure == second.structure
    assert first.weights == second.weights


NAIVE = 'keras.layers.Activation(config["activation"])', 'keras.layers.Activation("relu")'
WORDS = {"as given": "equal", "width: 5": "equal", "activation: gelu": "equal"}
TANH = "the Keras model computes 'relu' or 'gelu' or 'silu' only"


def test_each_config_has_its_verdict(folder: Path) -> None:
    found = signbart_port.vary_pair("small.py")
    assert {row.name: row.word for row in found.rows} == {**WORDS, "activation: tanh": "refused"}
    assert found.passed and found.rows[-1].why == f"activation is 'tanh': {TANH}"
    assert repr(found) == "<Variations of small.py:Small: 4 configs: 3 equal, 1 refused>"


def test_code_that_ignores_a_key_is_found_and_blamed(folder: Path) -> None:
    edit(folder / "small.py", *NAIVE)
    assert signbart_port.prove_pair("small.py").passed  # nothing is seen on one config
    found = signbart_port.vary_pair("small.py")
    (wrong,) = [row for row in found.rows if not row.passed]
    assert (wrong.name, wrong.word) == ("activation: gelu", "WRONG") and not found.passed
    assert wrong.report.blame.module == "logits" and wrong.why == wrong.report.verdict()


def test_a_config_that_is_taken_and_cannot_be_built_counts_as_wrong(folder: Path) -> None:
    edit(folder / "small.py", '"gelu", "tanh"', '"gelu", "tanh", "mish"')
    edit(folder / "small.py", '"silu")', '"silu", "mish")')
    edit(folder / "small.py", *NAIVE)
    edit(
        folder / "small.py",
        "        import keras\n",
        "        import keras\n        1 / (config['activation'] != 'mish')\n",
    )
    row = next(row for row in signbart_port.vary_pair("small.py").rows if "mish" in row.name)
    assert row.word == "cannot be compared" and not row.passed
    assert (
        row.why == "small.py:Small: Small.keras_model fails (ZeroDivisionError: division by zero)"
    )


def test_the_config_of_a_checkpoint_is_used(folder: Path) -> None:
    (folder / "config.json").write_text('{"width": 6, "activation": "silu"}')
    torch.save(
        {
            "one.weight": torch.zeros(6, 4),
            "one.bias": torch.zeros(6),
            "two.weight": torch.zeros(2, 6),
            "two.bias": torch.zeros(2),
        },
        "net.pth",
    )
    report = signbart_port.prove_pair("small.py", checkpoint="net.pth")
    assert report.passed and report.weights.values == 4 * 6 + 6 + 6 * 2
    assert "config: config.json beside the checkpoint" in report.notes


REFUSED = {
    "names no other": ("def vary", "def others", "small.py:Small: names no other configs. Write"),
    "vary fails": ("names = (", "names = 1 / 0, (", r"Small.vary fails \(ZeroDivisionError"),
    "no torch model": ("return Net()", "return 1 / 0", "its PyTorch model cannot be built .*Zero"),
    "no example": ('{"width": 3}', "{}", "example: the config has no width"),
    "a key": ('{"width": 3}', '{"width": 3, "bias": 1}', "the pair does not know bias, which may"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_varied_is_refused(folder: Path, name: str) -> None:
    *change, said = REFUSED[name]
    edit(folder / "small.py", *change)
    verb = signbart_port.prove_pair if name == "no torch model" else signbart_port.vary_pair
    with pytest.raises(PortError, match=said):
        verb("small.py")


def test_signbarts_own_implementations_agree() -> None:
    report = signbart_port.prove_pair()
    assert report.passed and report.same_structure
    assert report.candidate == "SignBART in Keras" and report.agreement == (7, 7)


def test_signbarts_config_may_be_a_name_or_a_checkpoints(tmp_path: Path) -> None:
    config = small_config()
    path = save_pth(tmp_path / "model.pth", state_dict(config), config=config.model_dump())
    report = signbart_port.prove_pair(checkpoint=path)
    assert report.passed and "config: stored in the checkpoint" in report.notes
    with pytest.raises(PortError, match="tiny: neither a file nor a published config"):
        signbart_port.prove_pair(config="tiny")


def test_the_commands(folder: Path, program: Program) -> None:
    pair = ("--pair", "small.py")
    code, printed, _ = program("verify", "--perturb", *pair, "--report", "proof.json")
    assert code == 0 and "small.py:Small in Keras against" in printed
    assert json.loads(Path("proof.json").read_text())["passed"]
    code, printed, _ = program("verify", "--vary", *pair)
    assert code == 0 and "4 configs: 3 equal, 1 refused" in printed
    edit(folder / "small.py", *NAIVE)
    code, printed, _ = program("verify", "--vary", "--perturb", *pair, "--json")
    data = json.loads(printed)
    assert code == 1 and data["pair"] == "small.py:Small" and not data["passed"]
    assert [row["verdict"] for row in data["variations"]] == ["equal", "equal", "wrong", "refused"]
    assert data["variations"][2]["change"] == {"activation": "gelu"}
    assert data["variations"][2]["report"]["blame"]["module"] == "logits"
    code, printed, said = program("verify", "--vary", *pair, "-q")
    assert code == 1 and not printed
    assert "small.py:Small, activation: gelu: WRONG: logits: the first wrong output" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "verify compares two models, A and B. Give both; or --perturb, which needs none"),
        (("a.pth",), "verify compares two models, A and B"),
        (("a.pth", "b.h5", "--perturb"), "b.h5: --perturb builds both models itself"),
        (("--perturb", "--heads", "4"), "--heads cannot be combined with --perturb. Say it in the"),
        (("--vary", "--mapping", "hf-bart"), "--mapping cannot be combined with --vary\n"),
        (("--vary", "--report", "proof.html"), "--report cannot be combined with --vary"),
        (("--perturb", "--config", "no.yaml"), "no.yaml: does not exist"),
        (("--vary", "no.pth"), "no.pth: does not exist"),
    ],
)
def test_wrong_commands_are_refused_in_a_line(
    folder: Path, program: Program, arguments: tuple[str, ...], said: str
) -> None:
    code, printed, refused = program("verify", *arguments)
    assert code == 2 and not printed and said in refused and refused.count("\n") == 1


@pytest.mark.release
@pytest.mark.parametrize("name", [*installed(), None])
def test_our_own_pairs_agree_on_every_config_that_they_take(name: str | None) -> None:
    found = signbart_port.vary_pair(name)
    assert found.passed, [(row.name, row.why) for row in found.rows if not row.passed]
    assert found.count("equal") > 3
    refused = found.count("refused")
    assert bool(refused) == (name is not None and name.startswith(("hf", "torch-transformer")))
