"""The command `train`: the same words for both frameworks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import PortError, printable

if TYPE_CHECKING:
    from signbart_port.training.files import Files
    from signbart_port.training.loso import Loso
    from signbart_port.training.request import TrainingPlan
    from signbart_port.training.run import Engine, Job, Trained


def command(
    load: Callable[[], Engine], *, simulates: bool = False, all_holdouts: bool = False
) -> Callable[..., None]:
    """Make the command that trains with the engine that `load` imports.

    `simulates` says whether the engine can simulate int8. With `all_holdouts`, `--holdouts` is
    `all` by default.
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
        skeleton: _options.Skeleton = None,
        frame_size: _options.FrameSize = None,
        skip_bad: _options.SkipBad = False,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on after the last epoch that was finished.")
        ] = False,
        force: Annotated[
            bool, typer.Option("--force", help="Begin anew: replace what is there.")
        ] = False,
        pair: _options.NoPair = None,
        json: _options.Json = False,
        quiet: _options.Quiet = False,
    ) -> None:
        """Train a SignBART on a dataset of keypoints.

        Keeps the best model by validation accuracy, and the last one with all that --resume needs
        to go on from there, whatever ended the training.
        """
        from signbart_port.cli import _training_progress
        from signbart_port.data.clip_format import ClipFormat
        from signbart_port.training.request import TrainingOptions, TrainingPlan

        if quantization_aware and not simulates:
            raise PortError(
                None, "--quantization-aware is for signbart-port train: PyTorch has no int8 here"
            )
        if new_head and start is None:
            raise PortError(None, "--new-head is for --from MODEL", "Any other begins with one")
        if seeds is not None and holdouts is None:
            raise PortError(None, "--seeds is for --holdouts", "One training has one --seed")
        form = ClipFormat.parse(skeleton, frame_size)
        overrides = {
            "data_root": data,
            "checkpoint_dir": checkpoint_dir,
            "log_dir": log_dir,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "clip_skeleton": form.skeleton,
            "frame_size": form.frame_size,
        }
        options = TrainingOptions(
            config=config,
            start=start,
            new_head=new_head,
            override=_set(settings or ()) | {k: v for k, v in overrides.items() if v is not None},
            skip_bad=skip_bad,
            quantization_aware=quantization_aware,
        )
        plan, silent = TrainingPlan(options), json or quiet
        if holdouts is None:
            trained, leads = _train_once(load, plan, silent, resume=resume, force=force)
            if leads and json:
                _show.as_json(_training_progress.as_dict(trained))
            elif leads and not quiet:
                _show.facts(list(_training_progress.rows(trained)))
        else:
            who = () if holdouts == "all" else tuple(dict.fromkeys(holdouts.split(",")))
            all_seeds = _numbers(seeds) or (plan.settings.seed,)
            folds, leads = _leave_out(
                load, plan, silent, who, all_seeds, resume=resume, force=force
            )
            if leads and json:
                _show.as_json(folds.as_dict())
            elif leads and not quiet:
                _show.out().print(_training_progress.table(folds))

    return train


def _train_once(
    load: Callable[[], Engine], plan: TrainingPlan, silent: bool, *, resume: bool, force: bool
) -> tuple[Trained, bool]:
    """Train one model; say too whether this process is the one that prints."""
    from signbart_port.cli import _training_progress
    from signbart_port.training.files import Files, check_resumable

    data = plan.data
    parts = data.parts(plan.settings)
    job = plan.job(parts, plan.settings)
    with _training_progress.engine(load, silent) as (engine, bar):
        files = Files.of(plan.settings, engine.SUFFIX)
        if resume:
            check_resumable(files.models, [files])
        goes_on = files.open(resume=resume, force=force, leads=engine.leads())
        bar.cautions = _cautions(plan)
        going_on = (f"going on from {files.last}",) if goes_on else ()
        notes = (*parts.notes, *plan.notes, *going_on)
        bar.says("training", _training_progress.about(job, len(data.bad), notes))
        try:
            done = engine.fit(job, files, bar, resume=goes_on)
        except KeyboardInterrupt:
            if files.last.exists():
                what = f"interrupted: {files.last} is from the last finished epoch"
                bar.warn((f"{what}; --resume goes on from there",))
            raise
        return done, engine.leads()


def _cautions(plan: TrainingPlan) -> list[str]:
    """Return how the dataset is read, and what in it may surprise."""
    return [f"{plan.dataset.root}: {note}" for note in plan.data.notes]


def _leave_out(
    load: Callable[[], Engine],
    plan: TrainingPlan,
    silent: bool,
    holdouts: Sequence[str],
    seeds: Sequence[int],
    *,
    resume: bool,
    force: bool,
) -> tuple[Loso, bool]:
    """Train once for every signer who is left out and every seed; say too whether this process is
    the one that prints."""
    from signbart_port.cli import _training_progress
    from signbart_port.training import loso

    with _training_progress.engine(load, silent) as (engine, bar):
        bar.cautions = _cautions(plan)

        def fit(job: Job, files: Files, resume: bool) -> Trained:
            bar.says(files.models.name, _training_progress.about(job, 0, ()))
            return engine.fit(job, files, bar, resume=resume)

        folds = loso.run(
            plan,
            fit,
            engine.SUFFIX,
            holdouts=holdouts,
            seeds=seeds,
            resume=resume,
            force=force,
            leads=engine.leads(),
        )
        return loso.Loso(tuple(folds)), engine.leads()


def _set(settings: Sequence[str]) -> dict[str, Any]:
    """Parse each KEY=VALUE, with VALUE as YAML."""
    from signbart_port.config.training import Settings
    from signbart_port.untrusted import strict_yaml

    found = dict[str, Any]()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            what = f"there is no key {printable(key, 40)}" if equals else "it is KEY=VALUE"
            raise PortError(None, f"--set {setting}: {what}", f"Keys: {known}")
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


train = command(_keras, simulates=True)
