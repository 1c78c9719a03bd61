"""The command `plan`, `--mapping` on the others, and the page that says how to write a mapping."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import signbart_port
from pages import fences
from signbart_port.cli import main
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.transfer import Code
from signbart_port.verbs.inspect_file import inspect_file
from signbart_port.verbs.plan import plan
from tests.support.forks import EVEN, FROM_ONE, SHORT, renamed
from tests.support.running import run_python
from tests.support.small_models import (
    distinct_state_dict,
    plan_of,
    save_pth,
    small_config,
    state_dict,
)

CONFIG = small_config()
EMA = state_dict(CONFIG, seed=7)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line, in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A checkpoint with other names, and nothing beside it."""
    path = tmp_path / "fork.safetensors"
    save_file(renamed(distinct_state_dict(CONFIG), SHORT), path)
    return path


def draft(printed: str) -> str:
    """The mapping at the end of what `plan` prints."""
    return printed[printed.index("schema: 1") :]


def expected() -> dict[str, str]:
    return {t.keras: SHORT(t.torch) for t in plan_of(CONFIG).transfers}


def test_a_complete_plan(tmp_path: Path, run: Run) -> None:
    loss = {"loss_fn.weight": np.ones(5, np.float32)}
    save_pth(tmp_path / "model.pth", distinct_state_dict(CONFIG) | loss)
    code, out, err = run("plan", "--all", "model.pth")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    rules = mappings.signbart().rules
    assert sum(" tensors: " in line for line in lines) == len(rules)
    for line in lines:
        if found := re.search(r"(\d+) of (\d+) tensors: ", line):
            assert found[1] == found[2] != "0"
    folded = [line for line in lines if " -> " in line and " tensors: " not in line]
    layers = [line for line in folded if "decoder.layers.{0..2}" in line]
    assert len(folded) == 10 + 16 + 26 + 2 and len(layers) == 26
    assert "encoder.embed_positions.weight 18×8 -> encoder/embed_positions/embeddings 18×8\n" in out
    assert ".out_proj.weight 5×8 -> classification_head/out_proj/kernel 8×5, transpose\n" in out
    assert re.search(r"left behind +loss_fn.weight: class weights of the training loss\n", out)
    assert re.search(r"findings +none\n", out)
    assert "joints 6" in out and "schema" not in out


def test_the_way_of_a_fork_from_no_mapping_to_a_proof(run: Run, fork: Path) -> None:
    code, out, err = run("plan", "--all", fork.name)
    assert code == 2 and err.count("\n") == 1
    assert err.startswith("signbart-port: fork.safetensors: MISSING projection.proj_x1.weight: ")
    assert err.endswith("signbart-port plan fork.safetensors --out my.yaml\n")
    for name in distinct_state_dict(CONFIG):
        last = CONFIG.decoder_layers - 1 if name.startswith("dec") else CONFIG.encoder_layers - 1
        shown = re.sub(r"(layers)\.\d+", rf"\1.{{0..{last}}}", name)
        assert f"MISSING {shown}: the mapping asks for it, and it is not there" in out
        assert f"UNMAPPED {SHORT(shown)}: no rule of the mapping uses it" in out
    Path("my.yaml").write_text(draft(out))

    code, out, err = run("plan", "--all", fork.name, "--mapping", "my.yaml", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["complete"] is True and told["findings"] == [] and told["suggestions"] is None
    assert {t["keras"]: t["torch"] for t in told["transfers"]} == expected()
    assert told["sizes"] == CONFIG.sizes() and told["unsettled"] == []

    Path("fork.yaml").write_text(CONFIG.model_dump_json())
    code, _, err = run("convert", fork.name, "--mapping", "my.yaml", "-q")
    assert (code, err) == (0, "")
    code, out, err = run("verify", fork.name, "fork.h5", "--mapping", "my.yaml", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["passed"] is True
    assert json.loads(out)["weights"]["tensors"] == len(expected())


@pytest.mark.release
def test_everything_that_a_mapping_lacks_is_said_with_a_rule_for_it(run: Run, fork: Path) -> None:
    whole = draft(run("plan", "--all", fork.name)[1])
    lacking = [line for line in whole.splitlines() if "fc1" in line or '"head"' in line]
    assert len(lacking) == 3
    Path("my.yaml").write_text("\n".join(s for s in whole.splitlines() if s not in lacking))
    code, out, err = run("plan", "--all", fork.name, "--mapping", "my.yaml")
    assert code == 2 and "Paste the suggested lines" in err
    assert out[out.rindex("\nmodules:\n") :].splitlines()[2:] == lacking
    Path("fork.yaml").write_text(CONFIG.model_dump_json())
    with pytest.raises(PortError, match=r'See the whole plan: .*, mapping="my\.yaml"\)$'):
        signbart_port.convert(fork.name, mapping="my.yaml")
    found = {(f.code, f.name) for f in plan(fork.name, mapping="my.yaml").findings}
    missing = {keras: torch for keras, torch in expected().items() if re.search("fc1|head", keras)}
    assert found == {(Code.UNFILLED, name) for name in missing} | {
        (Code.UNMAPPED, name) for name in missing.values()
    }


@pytest.mark.release
def test_layers_are_folded_by_whatever_number_they_have(run: Run, tmp_path: Path) -> None:
    fork, mine = tmp_path / "fork.safetensors", tmp_path / "my.yaml"
    after = " 10×8 -> decoder/layers.{0..2}/fc1/kernel 8×10, transpose\n"

    save_file(renamed(distinct_state_dict(CONFIG), FROM_ONE), fork)
    mine.write_text(draft(run("plan", "--all", fork.name)[1]))
    code, out, _ = run("plan", "--all", fork.name, "--mapping", "my.yaml")
    assert code == 0 and "decoder_layers 3" in out
    assert f"net.decoder.layers.{{1..3}}.linear1.weight{after}" in out

    # Where every layer has a line of its own, no rule says how many there are.
    Path("small.yaml").write_text(CONFIG.model_dump_json())
    even = renamed(distinct_state_dict(CONFIG), EVEN)
    save_file(even, fork)
    text = draft(run("plan", "--all", fork.name)[1])
    mine.write_text(text)
    assert run("plan", "--all", fork.name, "--mapping", "my.yaml")[0] == 2
    code, out, _ = run("plan", "--all", fork.name, "--mapping", "my.yaml", "--config", "small.yaml")
    assert code == 0
    assert f"net.decoder.layers.{{0,2,4}}.fc1.weight{after}" in out

    words = {"0": "first", "2": "middle", "4": "last"}

    def respelled(text: str) -> str:
        return re.sub(r"(?<=decoder\.layers\.)\d", lambda number: words[number[0]], text)

    mine.write_text(respelled(text))
    save_file({respelled(name): array for name, array in even.items()}, fork)
    code, out, _ = run("plan", "--all", fork.name, "--mapping", "my.yaml", "--config", "small.yaml")
    assert code == 0
    names = ", ".join(f"net.decoder.layers.{word}.fc1.weight" for word in words.values())
    assert f"{names}{after}" in out


def test_a_mapping_with_a_mistake_shows_every_finding_at_once(run: Run, fork: Path) -> None:
    """And those that are no name's get no suggestion."""
    text = draft(run("plan", "--all", fork.name)[1])
    text = text.replace("op: transpose", "op: identity").replace('"head"', '"dec.input"')
    Path("my.yaml").write_text(text)
    tensors = renamed(distinct_state_dict(CONFIG), SHORT)
    tensors["dec.ln_in.bias"][0] = np.nan
    save_file(tensors, fork)
    code, out, _ = run("plan", "--all", fork.name, "--mapping", "my.yaml", "--json")
    told = json.loads(out)
    assert code == 2 and told["complete"] is False
    codes = {(f["code"], f["name"].split(".")[0].split("/")[0]) for f in told["findings"]}
    assert {code for code, _ in codes} == {
        "SHAPE", "DOUBLE_SOURCE", "NONFINITE", "UNMAPPED",
    }  # fmt: skip
    assert ("NONFINITE", "dec") in codes and ("UNMAPPED", "head") in codes


def test_a_shipped_mapping_by_name_and_what_it_leaves_open(
    run: Run, tmp_path: Path, ported: Path
) -> None:
    own = distinct_state_dict(CONFIG)
    save_file(
        {n: a for n, a in own.items() if n.startswith(("encoder", "decoder"))}
        | {"shared.weight": np.ones((4, 8), np.float32)},
        tmp_path / "bart.safetensors",
    )
    code, out, err = run("plan", "--all", "bart.safetensors", "--mapping", "hf-bart")
    assert code == 2
    assert "told by nothing, one each assumed: num_labels, joints" in out
    assert re.search(r"left behind +shared.weight: embeds tokens", out)
    assert "schema" not in out, "there is no tensor to suggest anything for"
    unfilled = re.findall("UNFILLED ([^:]*): ", out)
    assert len(unfilled) == 6 and {n.split("/")[0] for n in unfilled} == {
        "projection",
        "classification_head",
    }
    assert err.count("UNFILLED") == 4 and "and 2 more" in err

    code, out, err = run("plan", "--all", "bart.safetensors", "--mapping", "hf-brat")
    assert (code, out) == (2, "")
    assert "hf-brat: neither a file nor a mapping's name. Known: hf-bart, signbart" in err
    Path("bart.yaml").write_text(CONFIG.model_dump_json())
    unfilled = "^bart.safetensors: UNFILLED projection/proj_x1/kernel"
    with pytest.raises(PortError, match=unfilled):
        signbart_port.convert("bart.safetensors", mapping="hf-bart")
    with pytest.raises(PortError, match=unfilled):
        signbart_port.verify("bart.safetensors", ported / "model.h5", mapping="hf-bart")


def test_the_sizes_of_a_config_are_held_against_the_tensors(run: Run, tmp_path: Path) -> None:
    save_pth(tmp_path / "model.pth", distinct_state_dict(CONFIG))
    (tmp_path / "more.yaml").write_text(CONFIG.replace(encoder_layers=3).model_dump_json())
    code, out, _ = run("plan", "--all", "model.pth", "--config", "more.yaml")
    assert code == 2
    assert "encoder_layers 3" in out and "the tensors say otherwise: encoder_layers 2\n" in out
    missing = re.findall(r"MISSING (\S+):", out)
    assert len(missing) == 16 and all(n.startswith("encoder.layers.2.") for n in missing)
    assert re.search(r"\n +8 of 12 tensors: encoder.layers.\{enc\}.\{norm\} ", out)
    assert run("plan", "--all", "model.pth", "--config", "wlasl-99")[0] == 2


def test_another_model_is_planned_as_well(run: Run, tmp_path: Path) -> None:
    save_file({"[red]conv.weight": np.ones((2, 2, 2), np.float32)}, tmp_path / "other.safetensors")
    code, out, err = run("plan", "--all", "other.safetensors")
    assert code == 2 and err.count("\n") == 1
    assert "UNMAPPED [red]conv.weight: no rule of the mapping uses it" in out
    assert "MISSING decoder.layers.0.fc1.bias" in out
    assert re.search(r"suggestions +none: nothing in it fits a SignBART\n$", out)


def test_no_framework_is_imported(fork: Path) -> None:
    loaded = run_python(
        "import sys; from signbart_port.verbs.plan import plan; p = plan(sys.argv[1])\n"
        "print(len(p.findings) > 200, bool(p.draft),"
        " {'torch', 'tensorflow', 'keras'} & set(sys.modules))",
        fork,
    )
    assert loaded.split() == ["True", "True", "set()"]


@pytest.mark.parametrize("name", ["model.h5", "model.tflite"])
def test_only_checkpoints_are_planned(ported: Path, name: str) -> None:
    with pytest.raises(PortError, match="not a PyTorch checkpoint"):
        plan(ported / name)


def test_who_meets_other_names_is_led_to_plan(run: Run, fork: Path) -> None:
    advice = "Write a mapping: signbart-port plan fork.safetensors"
    found = inspect_file(Path(fork.name))
    assert f"122 of 122 names are not SignBART's. {advice}" in found.notes
    code, _, err = run("convert", fork.name)
    assert code == 2 and err.endswith(f"{advice}\n")

    own = distinct_state_dict(CONFIG)
    own["head.weight"] = own.pop("classification_head.out_proj.weight")
    save_pth(Path("part of it.pth"), own, config=CONFIG.model_dump())
    advice = "Write a mapping: signbart-port plan 'part of it.pth'"
    assert (
        f"1 of 122 names are not SignBART's. {advice}" in inspect_file(Path("part of it.pth")).notes
    )
    code, _, err = run("convert", "part of it.pth")
    assert code == 2 and "UNMAPPED head.weight" in err and err.endswith(f"{advice}\n")


@pytest.mark.release
def test_a_mapping_that_confuses_two_tensors_of_one_shape_is_not_seen(run: Run, fork: Path) -> None:
    """As the page says: the reference is filled through the same mapping."""
    text = draft(run("plan", "--all", fork.name)[1])
    text = text.replace("self_attn/q_proj", "@").replace("self_attn/k_proj", "self_attn/q_proj")
    Path("wrong.yaml").write_text(text.replace("@", "self_attn/k_proj"))
    save_file(renamed(state_dict(CONFIG), SHORT), fork)
    Path("fork.yaml").write_text(CONFIG.model_dump_json())
    done = signbart_port.convert(fork.name, mapping="wrong.yaml")
    assert done.report is not None and done.report.passed


def test_the_mapping_on_the_page_is_one(tmp_path: Path) -> None:
    (written,) = (one for one in fences("docs/mapping.md") if one.file == "my.yaml")
    (tmp_path / "my.yaml").write_text(written.text)
    tensors = renamed(distinct_state_dict(CONFIG), SHORT)
    save_file(tensors | {"enc.steps": np.ones(1, np.float32)}, tmp_path / "fork.safetensors")
    planned = plan(tmp_path / "fork.safetensors", mapping=tmp_path / "my.yaml")
    assert planned.findings == ()
    assert {t.keras: t.torch for t in planned.plan.transfers} == expected()
    assert planned.left_behind().keys() == {"enc.steps"}


def test_parts_of_weights_are_named_and_get_no_draft(tmp_path: Path, run: Run) -> None:
    arrays = distinct_state_dict(CONFIG)
    weight = arrays.pop("classification_head.out_proj.weight")
    arrays["classification_head.out_proj.weight_g"] = weight[:, :1]
    arrays["classification_head.out_proj.weight_v"] = weight
    save_pth(tmp_path / "model.pth", arrays)
    code, out, err = run("plan", "--all", "model.pth")
    assert code == 2 and "schema: 1" not in out
    assert "holds weight norm in place of weights" in err
    assert "remove_weight_norm(model.classification_head.out_proj)" in err
    assert "mapping" not in err.partition("holds weight norm")[2]


def test_of_several_weights_one_can_be_planned(tmp_path: Path, run: Run) -> None:
    save_pth(
        tmp_path / "model.pth",
        distinct_state_dict(CONFIG),
        ema={name: torch.from_numpy(array) for name, array in EMA.items()},
    )
    code, out, err = run("plan", "--all", "model.pth")
    assert code == 0 and "weights under model" in out and "--weights ema takes them" in err
    code, out, err = run("plan", "--all", "model.pth", "--weights", "ema")
    assert code == 0 and "weights under ema" in out and err == ""


BROKEN = {
    "heads 7": {"encoder_attention_heads": 7},
    "text": {"d_model": "x"},
    "a layer too many": {"encoder_layers": CONFIG.encoder_layers + 1},
    "a joint twice": {"joint_idx": [1, 1, 2, 3, 4, 5]},
    "no number": {"dropout": math.nan},
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.on_commit("no number", "heads 7")
def test_a_stored_config_that_convert_refuses_stands_in_the_way(
    tmp_path: Path, run: Run, case: str
) -> None:
    save_pth(
        tmp_path / "model.pth",
        distinct_state_dict(CONFIG),
        config=CONFIG.model_dump() | BROKEN[case],
    )
    code, out, err = run("plan", "--all", "model.pth")
    assert code == 2 and err.count("\n") == 1
    assert re.search(r"findings +none\n", out), "of the tensors"
    refused_code, _, refused = run("convert", "model.pth")
    assert (refused_code, refused) == (2, err)
    code, out, _ = run("plan", "--all", "model.pth", "--json")
    assert code == 2 and json.loads(out)["complete"] is False


def test_the_plan_is_short_unless_all_of_it_is_asked_for(run: Run, fork: Path) -> None:
    code, out, _ = run("plan", fork.name)
    tensors = len(distinct_state_dict(CONFIG))
    summary = out[: out.index("schema: 1")]
    assert code == 2 and len(summary.splitlines()) < 20
    assert re.search(rf"tensors +0 of {tensors} by \d+ rules\n", out)
    assert re.search(r"and \d+ more: --all shows them\n", summary) and " -> " not in summary
    assert run("plan", fork.name, "-q")[:2] == (2, "")


def test_a_draft_goes_to_a_file_and_its_guesses_are_refused_until_somebody_has_looked(
    run: Run, tmp_path: Path
) -> None:
    """`norm1` may be the norm after the attention, or one before it: if the guess is wrong, both
    sides have the same weights in the same wrong places, and are equal."""
    save_file(renamed(distinct_state_dict(CONFIG), FROM_ONE), tmp_path / "fork.safetensors")
    Path("fork.yaml").write_text(CONFIG.model_dump_json())
    code, out, err = run("plan", "fork.safetensors", "--out", "my.yaml")
    assert (code, err) == (0, "")
    guesses = Path("my.yaml").read_text().count("guess: true")
    assert guesses and f"look up its {guesses} guesses in the model's code" in out
    assert run("plan", "fork.safetensors", "--mapping", "my.yaml")[0] == 0

    for command in (
        "convert fork.safetensors",
        "predict fork.safetensors clip.npy",
        "verify fork.safetensors fork.safetensors",
    ):
        np.save("clip.npy", np.zeros((3, 75, 2), np.float32))
        code, _, err = run(*command.split(), "--mapping", "my.yaml", "-q")
        assert code == 2 and re.match(r"signbart-port: my\.yaml: line \d+: .* is a guess, and", err)
        assert err.endswith("correct the line, and take out guess: true\n")
    assert not Path("fork.h5").exists()

    looked_at = Path("my.yaml").read_text().replace(", guess: true", "")
    Path("my.yaml").write_text(looked_at)
    assert run("convert", "fork.safetensors", "--mapping", "my.yaml", "-q", "--no-verify")[0] == 0


def test_what_to_do_with_a_draft_is_said_in_a_line(fork: Path, run: Run) -> None:
    fork.rename(name := "a\nb\x1b[2J.safetensors")
    _, out, _ = run("plan", name, "--out", "my.yaml")
    assert out.splitlines()[-1].endswith(
        r"signbart-port plan 'a\nb\x1b[2J.safetensors' --mapping my.yaml"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("fork.safetensors --out my.txt", "my.txt: a mapping is written as .yaml or .yml"),
        ("fork.safetensors --out there.yaml", "there.yaml: exists; give --force to replace it"),
        ("fork.safetensors --out my.yaml --mapping there.yaml", "Leave one of them out"),
        ("model.pth --out my.yaml", "model.pth: needs no mapping of its own"),
    ],
)
def test_a_draft_that_cannot_be_written(
    run: Run, fork: Path, tmp_path: Path, arguments: str, says: str
) -> None:
    save_pth(tmp_path / "model.pth", distinct_state_dict(CONFIG))
    Path("there.yaml").write_text(mappings.signbart().path.read_text())
    before = Path("there.yaml").read_text()
    code, out, err = run("plan", *arguments.split())
    assert (code, out) == (2, "") and says in err
    assert Path("there.yaml").read_text() == before and not Path("my.yaml").exists()
