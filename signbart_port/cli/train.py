"""The verb `train`: the same words for both frameworks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from signbart_port.cli import app, options
from signbart_port.errors import PortError

if TYPE_CHECKING:
    from signbart_port.training.files import Files
    from signbart_port.training.run import Job, Trained, Watcher


class Engine(Protocol):
    """A framework's training: the modules `training.keras_fit` and `training.torch_fit`."""

    SUFFIX: str

    def leads(self) -> bool:
        """Whether this process writes and prints: of several that share a training, the first."""

    def fit(self, job: Job, files: Files, watcher: Watcher, *, resume: bool) -> Trained: ...


def verb(
    load: Callable[[], Engine], *, simulates: bool = False, all_holdouts: bool = False
) -> Callable[..., None]:
    """A verb that trains with the engine that `load` imports.

    `simulates` says whether that can simulate int8; with `all_holdouts` every signer is left out in
    turn, where nothing else is said.
    """

    def train(
        config: Annotated[
            str | None,
            typer.Option(
                "--config",
                metavar="FILE|NAME",
                help="A YAML file of the model and its training, or a published config by name.",
            ),
        ] = None,
        data: Annotated[
            Path | None, typer.Option("--data", metavar="DIR", help="The dataset (data_root).")
        ] = None,
        start: Annotated[
            Path | None,
            typer.Option("--from", metavar="MODEL", help="Go on with a trained .pth or .h5."),
        ] = None,
        new_head: Annotated[
            bool, typer.Option("--new-head", help="Of --from: for other signs, with a new head.")
        ] = False,
        checkpoint_dir: Annotated[
            Path | None, typer.Option("--checkpoint-dir", metavar="DIR", help="Where models go.")
        ] = None,
        log_dir: Annotated[
            Path | None, typer.Option("--log-dir", metavar="DIR", help="Where the log goes.")
        ] = None,
        epochs: Annotated[int | None, typer.Option("--epochs", help="Default: 200.")] = None,
        batch_size: Annotated[int | None, typer.Option("--batch-size", help="Default: 1.")] = None,
        learning_rate: Annotated[
            float | None, typer.Option("--learning-rate", help="Default: 2e-5.")
        ] = None,
        seed: Annotated[int | None, typer.Option("--seed", help="Default: 379.")] = None,
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help="Any training key of a config file."),
        ] = None,
        holdouts: Annotated[
            str | None,
            typer.Option(
                "--holdouts",
                metavar="all|user01,...",
                help="Leave one signer out: train without the clips of each of these in turn, and"
                " test on them. Files are named after who signs, as user01_G03_R05.pkl.",
            ),
        ] = "all" if all_holdouts else None,
        seeds: Annotated[
            str | None,
            typer.Option("--seeds", metavar="N,...", help="Of --holdouts: once with each seed."),
        ] = None,
        quantization_aware: Annotated[
            bool,
            typer.Option(
                "--quantization-aware",
                help="In Keras: simulate int8, for tflite --quantization int8.",
            ),
        ] = False,
        skip_bad: options.SkipBad = False,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on after the last epoch that was finished.")
        ] = False,
        force: Annotated[
            bool, typer.Option("--force", help="Begin anew: replace what is there.")
        ] = False,
        json: options.Json = False,
        quiet: options.Quiet = False,
    ) -> None:
        """Train a SignBART on a dataset of keypoints.

        Keeps the best model by validation accuracy, and the last one with all that --resume needs
        to go on from there, whatever ended the training.
        """
        from signbart_port.cli import train_runs
        from signbart_port.training.request import Asked

        if quantization_aware and not simulates:
            raise PortError(
                None, "--quantization-aware is for signbart-port train: PyTorch has no int8 here"
            )
        if new_head and start is None:
            raise PortError(None, "--new-head is for --from MODEL", "Any other begins with one")
        if seeds is not None and holdouts is None:
            raise PortError(None, "--seeds is for --holdouts", "One training has one --seed")
        given = {
            "data_root": data,
            "checkpoint_dir": checkpoint_dir,
            "log_dir": log_dir,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
        }
        asked = Asked(
            config=config,
            start=start,
            new_head=new_head,
            override=_set(settings or ()) | {k: v for k, v in given.items() if v is not None},
            skip_bad=skip_bad,
            quantization_aware=quantization_aware,
        )
        manner = train_runs.Manner(resume, force, json, quiet)
        if holdouts is None:
            train_runs.one(load, asked, manner)
        else:
            who = () if holdouts == "all" else tuple(dict.fromkeys(holdouts.split(",")))
            train_runs.loso(load, asked, manner, who, _numbers(seeds))

    return train


def _set(settings: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE as YAML reads the value."""
    from signbart_port.config.training import Settings
    from signbart_port.untrusted import strict_yaml

    found = dict[str, Any]()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise PortError(None, f"--set {setting}: it is KEY=VALUE", f"Keys: {known}")
        try:
            read: Mapping[str, Any] = strict_yaml.load(Path(f"--set {setting}"), f"{key}: {value}")
        except PortError as error:
            raise PortError(None, f"--set {setting}: {error.what}") from None
        found |= read
    return found


def _numbers(seeds: str | None) -> tuple[int, ...]:
    said = [] if seeds is None else seeds.split(",")
    if not all(seed.isdecimal() and int(seed) < 2**31 for seed in said):
        raise PortError(None, f"--seeds {seeds}: they are numbers, such as 1,2,3")
    return tuple(dict.fromkeys(int(seed) for seed in said))


def _keras() -> Engine:
    from signbart_port.training import keras_fit

    return keras_fit


app.command("train")(verb(_keras, simulates=True))
