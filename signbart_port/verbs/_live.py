"""A PyTorch SignBART and a Keras one that are in memory, compared in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signbart_port import transfer
from signbart_port.model_files import mappings
from signbart_port.model_files.config_resolution import Options
from signbart_port.pairs import signbart_cases
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.parity import live, weights
from signbart_port.parity.report import Report
from signbart_port.system.progress import ProgressCallback
from signbart_port.transfer import Direction

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart

_NAMES = ("PyTorch module", "Keras model")


def compare_live(
    torch_model: Any, keras_model: SignBart, options: Options, progress: ProgressCallback
) -> Report | None:
    """Compare both on SignBART's cases; None where the module's weights have not SignBART's
    names or shapes, so that it is another program's.

    Raises PortError for options on a config: the Keras model has one.
    """
    from signbart_port.keras_model import SignBart

    config = keras_model.config
    plan = mappings.plan_for(config)
    tensors = {
        name: value.detach().cpu().float().numpy()
        for name, value in torch_model.state_dict().items()
        if name not in plan.ignored_torch and hasattr(value, "detach")
    }
    shapes = {weight.path: tuple(weight.shape) for weight in keras_model.weights}
    if transfer.check(plan, Direction.TORCH_TO_KERAS, tensors, shapes):
        return None
    options.check_unused(_NAMES[1])
    keras_tensors = {weight.path: weight.numpy() for weight in keras_model.weights}
    case = case_of(signbart_cases.make_for(config))
    progress("Comparing every module")
    return live.prove(
        SIGNBART,
        torch_model,
        keras_model,
        case,
        config=config,
        names=_NAMES,
        built_by_pair=type(keras_model) is SignBart,
        weights=weights.compare(plan, tensors, keras_tensors),
        finder=SIGNBART.causes(config, lambda: tensors, case),
    )
