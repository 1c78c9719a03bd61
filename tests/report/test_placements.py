"""The transfers by layer: nothing lost, and only what is alike under one name."""

from __future__ import annotations

from dataclasses import replace

from signbart_port.parity.report import Report
from signbart_port.report.placements import placements
from signbart_port.transfer.plan import Placed


def test_every_transfer_is_there_once(reports: dict[str, Report]) -> None:
    placed = reports["equal"].placed
    blocks = placements(placed)
    shown = [t for members in blocks.values() for member in members for t in member.tensors]
    assert sorted(shown, key=repr) == sorted(placed, key=repr)
    assert list(blocks) == [
        "projection",
        "encoder",
        "decoder",
        "encoder.layers.{0..1}",
        "decoder.layers.{0..1}",
        "classification_head",
    ]


def test_repeated_layers_are_one(reports: dict[str, Report]) -> None:
    members = placements(reports["equal"].placed)["encoder.layers.{0..1}"]
    assert len(members) == 16 and all(len(member.tensors) == 2 for member in members)
    first = members[0]
    assert first.torch == "encoder.layers.{0..1}.self_attn.k_proj.weight"
    assert first.keras == "encoder/layers.{0..1}/self_attn/k_proj/kernel"
    assert [t.torch for t in first.tensors] == [
        first.torch.replace("{0..1}", str(layer)) for layer in (0, 1)
    ]


def test_another_rule_op_or_shape_is_not_alike() -> None:
    names = [(f"a.layers.{i}.fc.weight", f"a/layers.{i}/fc/kernel") for i in range(5)]
    alike = [Placed(*name, "identity", (2, 3), "m.yaml:1", "0" * 64) for name in names]
    changes = [{}, {"rule": "m.yaml:2"}, {"op": "transpose"}, {"shape": (3, 2)}, {}]
    placed = [replace(p, **change) for p, change in zip(alike, changes, strict=True)]
    folded = {m.torch for members in placements(placed).values() for m in members}
    assert folded == {
        "a.layers.{0,4}.fc.weight",
        *(f"a.layers.{layer}.fc.weight" for layer in (1, 2, 3)),
    }


def test_names_of_a_fork() -> None:
    """Only Keras' names are this program's: they say the block."""
    placed = [
        Placed(
            f"net.enc.{i}.ff.w", f"encoder/layers.{i}/fc1/kernel", "transpose", (2, 3), "f:1", ""
        )
        for i in range(3)
    ]
    assert [(block, [m.torch for m in ms]) for block, ms in placements(placed).items()] == [
        ("encoder.layers.{0..2}", ["net.enc.{0..2}.ff.w"])
    ]
