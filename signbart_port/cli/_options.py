"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.config import joints as named_joints
from signbart_port.config import skeletons
from signbart_port.errors import PortError
from signbart_port.hub.access import hub_access

if TYPE_CHECKING:
    from signbart_port.model_files.config_resolution import Options

Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE|NAME",
        help="The model's config: a YAML or JSON file, or a published config by name (lsa-64 ...).",
    ),
]
Mapping = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        metavar="FILE|NAME",
        help="Whose names the checkpoint has: a mapping file, or one by name (signbart, hf-bart)."
        " Default: SignBART's.",
    ),
]
Pair = Annotated[
    str | None,
    typer.Option(
        "--pair",
        metavar="FILE.py[:NAME]|NAME",
        help="Other models: a Python file with a subclass of signbart_port.Pair, which is run; or"
        " an installed pair by its name.",
    ),
]


def _no_pair(context: typer.Context, value: str | None) -> None:
    if value is not None:
        what = f"{context.info_name} is for SignBART alone: of other models it knows no data"
        hint = "convert, verify, plan, inspect, tflite and export take a pair"
        raise PortError(None, f"--pair: {what}", hint)


NoPair = Annotated[str | None, typer.Option("--pair", hidden=True, callback=_no_pair)]
Heads = Annotated[
    int | None,
    typer.Option("--heads", min=1, help="Attention heads of both stacks: no tensor tells them."),
]
Joints = Annotated[
    str | None,
    typer.Option(
        "--joints",
        metavar="NAME|LIST",
        help=f"Keypoints the model reads: {', '.join(named_joints.NAMED)},"
        " or numbers such as 11-16,33-74; with another skeleton's name, as upper-65:23-64.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="full|selected",
        help="What the model is fed: the whole skeleton, or the joints already picked."
        " Default: what the config says, else full.",
    ),
]
SizesFromCheckpoint = Annotated[
    bool,
    typer.Option(
        "--sizes-from-checkpoint",
        help="Where config and tensors disagree on a size, take the tensors'.",
    ),
]
OverrideConfig = Annotated[
    bool,
    typer.Option(
        "--override-config",
        help="Let --heads, --joints, --layout or --config contradict the config in the file.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="KEY",
        help="Which weights of a checkpoint with several: the key that holds them, or ema for its"
        " averaged ones.",
    ),
]


def _token(context: typer.Context, value: str | None) -> None:
    if value is not None:
        context.with_resource(hub_access(hf_token=value))


def _max_download(context: typer.Context, value: str | None) -> None:
    if value is not None:
        context.with_resource(hub_access(max_download=value))


HfToken = Annotated[
    str | None,
    typer.Option(
        "--hf-token",
        metavar="VARIABLE",
        help="For hf://OWNER/NAME: send the token in this environment variable, such as HF_TOKEN."
        " Default: none is sent.",
        callback=_token,
    ),
]
MaxDownload = Annotated[
    str | None,
    typer.Option(
        "--max-download",
        metavar="SIZE",
        help="For hf://OWNER/NAME: the most that may be fetched, such as 500MB. Default: 1GB.",
        callback=_max_download,
    ),
]
Skeleton = Annotated[
    str | None,
    typer.Option(
        "--skeleton",
        metavar="NAME",
        help="What the points of the clips are, where they are not those of the model: "
        f"{', '.join(skeletons.KNOWN)}.",
    ),
]
FrameSize = Annotated[
    str | None,
    typer.Option(
        "--frame-size",
        metavar="W,H",
        help="Of clips in pixels: width and height of their frames, such as 1280,720.",
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out samples that cannot be used, and list them.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="HTML|JSON",
        help="Write the proof to a file as well, whether it holds or not: a page to read, or JSON.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but errors and warnings.")
]
EveryModule = Annotated[
    bool, typer.Option("--every-module", help="List every module instead of blocks.")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", show_default=False)]


def others(context: typer.Context, taken: Set[str]) -> Iterator[Any]:
    """Yield the options on the command line that are not among those `taken`, by parameter."""
    for one in context.command.params:
        source = context.get_parameter_source(str(one.name))
        given = source is not None and source.name == "COMMANDLINE"
        if given and one.param_type_name == "option" and one.name not in taken:
            yield one


def options_if_any(
    config: str | None,
    heads: int | None,
    joints: str | None,
    layout: str | None,
    sizes_from_checkpoint: bool,
    override_config: bool,
    weights: str | None = None,
) -> Options | None:
    """Return the library's Options, or None where the command line has none of them."""
    words = (config, heads, joints, layout)
    flags = sizes_from_checkpoint or override_config
    if not flags and all(one is None for one in (*words, weights)):
        return None
    return resolve_options(*words, sizes_from_checkpoint, override_config, weights)


def resolve_options(
    config: str | None,
    heads: int | None,
    joints: str | None,
    layout: str | None,
    sizes_from_checkpoint: bool = False,
    override_config: bool = False,
    weights: str | None = None,
) -> Options:
    """Build `Options` from the options of a command."""
    from signbart_port.model_files.config_resolution import Options

    try:
        skeleton, picked = (None, None) if joints is None else _joints(joints)
    except ValueError as error:
        raise PortError(None, f"--joints {joints}: {error}") from None
    if layout not in (None, "full", "selected"):
        raise PortError(None, f"--layout {layout}: it is full or selected")
    return Options(
        config,
        heads,
        picked,
        layout,
        sizes_from_checkpoint,
        override_config,
        weights=weights,
        skeleton=skeleton,
    )


def _joints(text: str) -> tuple[str | None, tuple[int, ...]]:
    """Read `[SKELETON:]JOINTS`, or the name of a skeleton for all of its points."""
    name, colon, listed = text.rpartition(":")
    if not colon and text not in skeletons.KNOWN:
        return None, named_joints.parse(text)
    skeleton = skeletons.named(name or text)
    return skeleton.name, named_joints.parse(listed) if colon else tuple(range(skeleton.points))
