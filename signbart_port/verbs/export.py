"""A Keras model's file to a PyTorch checkpoint: the mapping read backwards, proven likewise."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.checkpoint import writer
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, ProofError
from signbart_port.hub.address import named_for_outputs
from signbart_port.hub.fetch import fetched
from signbart_port.hub.model_card import check_license
from signbart_port.model_files import in_memory, keras_file, wanted
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.in_memory import ModelSource
from signbart_port.pairs.signbart_state_dict import state_layout
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.version import __version__
from signbart_port.transfer import Direction, Plan
from signbart_port.untrusted import model_kind
from signbart_port.verbs._export_card import card_of

_SAFETENSORS = ".safetensors"
_SUFFIXES = (".pth", ".pt", _SAFETENSORS)


class Container(Enum):
    """The layout of the weights in a .pth.

    STATE_DICT: the dict of tensors alone, as `torch.save(model.state_dict(), path)`. TRAINING: a
    dict with the weights under `model`, and beside them `config` and `exported_from`.
    """

    STATE_DICT = "state-dict"
    TRAINING = "training"


@dataclass(frozen=True, repr=False)
class Exported:
    """The result of `export`.

    `source` is the Keras file, its tensors let go. `holds_config` says whether the checkpoint has
    the config in it. `report` is None where verification was switched off, `card` where no model
    card was written.
    """

    out: Path
    source: KerasModel
    plan: Plan
    holds_config: bool
    report: Report | None
    card: Path | None = None

    def __repr__(self) -> str:
        verdict = self.report.verdict() if self.report else "not proven"
        return f"<Exported {self.source.path} to {self.out}: {verdict}>"

    @property
    def config(self) -> SignBartConfig:
        return self.source.config

    @property
    def parameters(self) -> int:
        return self.plan.parameters


def export(
    path: ModelSource,
    out: str | Path | None = None,
    *,
    container: Container | str = Container.STATE_DICT,
    card: str | Path | None = None,
    license: str | None = None,
    verify: bool = True,
    force: bool = False,
    options: Options | None = None,
    progress: ProgressCallback = no_progress,
) -> Exported:
    """Carry the weights of a Keras SignBART back into a PyTorch checkpoint.

    Nothing is written unless every tensor in it has the bits of the Keras one and, with `verify`,
    PyTorch gives the same for every module.

    Args:
        path: A model.h5, model.keras or model.weights.h5, or a Keras model.
        out: The .pth, .pt or .safetensors to write; the last holds the config in its metadata.
            Default: the model's name with .pth.
        container: How a .pth keeps the weights: "state-dict" for the tensors alone, "training" for
            the tensors under `model` and the config beside them.
        card: Where to write a model card of a .safetensors, such as README.md: its sizes, classes,
            proof, provenance, and how to load it.
        license: The identifier of the license that the card states, such as "apache-2.0". Default:
            it states none.
        verify: Whether to run the checkpoint in PyTorch. False skips that run; every tensor is
            compared all the same.
        force: Whether to replace an existing `out`.
        options: The config of a model.weights.h5, which holds none: a config file or the name of a
            published one, heads, joints, layout. Default: a config beside it.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the checkpoint was written, the plan of the transfer, and the report of the proof.

    Raises:
        PortError: The input cannot be used, or `out` cannot be written.
        ProofError: The proof fails; nothing is written.
    """
    in_memory.check_keras(path)
    in_memory.check_out(path, out)
    with in_memory.files_of(path) as files:
        done = _export_file(
            files.paths[0],
            out,
            container,
            None if card is None else Path(card),
            license,
            verify,
            force,
            options or Options(),
            progress,
        )
        if not files.names:
            return done
        return replace(
            done,
            source=replace(done.source, path=Path(*files.names.values())),
            report=None if done.report is None else files.report(done.report),
        )


def _export_file(
    path: Path,
    out: str | Path | None,
    container: Container | str,
    card: Path | None,
    license: str | None,
    verify: bool,
    force: bool,
    options: Options,
    progress: ProgressCallback,
) -> Exported:
    given, path = path, fetched(path, progress)
    model_kind.check_kind(path, model_kind.ModelKind.KERAS)
    named = named_for_outputs(given, path)
    out = named.with_name(default_name(named)) if out is None else Path(out)
    container = _container_of(out, container)
    atomic_output.check(out, force=force, inputs=(path,))
    _check_card(card, license, out, force)
    progress("Reading the Keras model")
    file = keras_file.read(path, options)
    file.check_weights()
    plan = file.plan
    holds_config = container is Container.TRAINING or out.suffix == _SAFETENSORS
    with ExitStack() as stack:
        replacing = partial(atomic_output.replacing, force=force, inputs=(path,))
        temp_card = None if card is None else stack.enter_context(replacing(card))
        temp = stack.enter_context(replacing(out))  # in place before its card is
        progress("Writing the checkpoint")
        temp.write_bytes(_encoded(file, plan, out, holds_config))
        progress("Reading back")
        _read_back(temp, file, plan, holds_config)
        report = _prove(temp, file, out, progress) if verify else None
        if temp_card is not None:
            text = card_of(temp, out, file, plan, report, license).text()
            temp_card.write_text(text, encoding="utf-8")
    return Exported(out, replace(file, tensors={}), plan, holds_config, report, card)


def default_name(path: Path) -> str:
    """Return the name of the checkpoint of a Keras file, where none is given."""
    return f"{model_kind.stem_of(path)}.pth"


def _container_of(out: Path, container: Container | str) -> Container:
    if out.suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise PortError(out, f"a checkpoint is written as {known}", "Name it like model.pth")
    try:
        container = Container(container)
    except ValueError:
        known = ", ".join(c.value for c in Container)
        raise PortError(None, f"there is no container {container!r}", f"Known: {known}") from None
    if container is Container.TRAINING and out.suffix == _SAFETENSORS:
        raise PortError(
            out,
            "holds tensors alone, no training container",
            "Leave the container out: the config goes into the file's metadata",
        )
    return container


def _check_card(card: Path | None, license: str | None, out: Path, force: bool) -> None:
    check_license(license)
    if card is None:
        if license is not None:
            raise PortError(None, "--license is for a model card", "Give --card README.md too")
        return
    if out.suffix != _SAFETENSORS:
        what = "has no model card: a .safetensors has one, which holds its config"
        raise PortError(out, what, "Name it like model.safetensors")
    atomic_output.check_suffix(card, (".md",), "a model card")
    atomic_output.check(card, force=force)


def _encoded(file: KerasModel, plan: Plan, out: Path, holds_config: bool) -> bytes:
    tensors = dict(transfer.apply(plan, Direction.KERAS_TO_TORCH, file.tensors))
    config = _plain(file)
    origin = {"name": file.path.name, "sha256": file.sha256, "signbart-port": __version__}
    beside = {"config": config, "exported_from": origin} if holds_config else None
    if out.suffix == _SAFETENSORS:
        return writer.safetensors_bytes(tensors, beside)
    return writer.torch_bytes(tensors, state_layout(file.config), beside)


def _plain(file: KerasModel) -> dict[str, Any]:
    """Return the config as JSON keeps it, lists for tuples: every container can hold that."""
    try:
        return file.config.explicit.model_dump(mode="json")
    except ValueError as error:  # training keys, which nobody has looked at
        raise PortError(file.path, f"its config cannot be written: {error}") from None


def _read_back(temp: Path, file: KerasModel, plan: Plan, holds_config: bool) -> None:
    """Check the file as it is on disk: every tensor bit for bit, no other, and the config."""
    rules = wanted.rules_of(plan.mapping)
    try:
        written = read_checkpoint(temp, rules)
        stored = written.config and configs.parse(written.config, temp).model_dump_json()
    except PortError as error:
        raise _unequal(file.path, error.what) from None
    findings = [
        *transfer.check(plan, Direction.TORCH_TO_KERAS, written.tensors),
        *transfer.compare(plan, Direction.KERAS_TO_TORCH, file.tensors, written.tensors),
    ]
    if findings:
        raise _unequal(file.path, f"is NOT EQUAL: {transfer.summary(findings)}")
    if stored != (
        file.config.explicit.model_dump_json() if holds_config else None
    ):  # as JSON: NaN is NaN
        raise _unequal(file.path, "holds another config")


def _prove(temp: Path, file: KerasModel, out: Path, progress: ProgressCallback) -> Report:
    """Compare PyTorch, with the weights of the file, against Keras, module by module."""
    from signbart_port.verbs.verify import verify

    # Else a config of another model beside the checkpoint might be taken for that of a state dict.
    with ExitStack() as stack:
        with processes.scratch_errors():
            config = Path(stack.enter_context(processes.new_folder())) / "config.yaml"
            config.write_text(file.config.explicit.model_dump_json(exclude={"training"}))
        try:
            report = verify(
                temp,
                file.path,
                Options(config=str(config)),
                progress=lambda step: progress(step.replace(temp.name, out.name)),
            )
        except PortError as error:
            if error.path != temp:
                raise
            raise _unequal(file.path, f"fails its proof: {error.what}") from None
    # Under the names that the user knows; the config's origin was the file above.
    report = replace(report, reference=out.name, candidate=file.path.name, notes=())
    if not report.passed:
        raise _unequal(file.path, f"is NOT EQUAL, {report.verdict()}", report)
    return report


def _unequal(path: Path, what: str, report: Report | None = None) -> ProofError:
    return ProofError(f"{path}: the checkpoint made of it {what}", report)
