"""Models that are in memory, as the files that everything here reads.

A file of ours, in a temporary folder, stands for a PyTorch module, a state dict or a Keras model:
then the proof is the same, in processes of its own, and nothing of the user's object is changed.
No framework is imported: whoever has such an object has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

from signbart_port.errors import PortError, ProofError, printable
from signbart_port.system import processes

if TYPE_CHECKING:
    from signbart_port.parity.report import Report


class TorchModule(Protocol):
    """A `torch.nn.Module`."""

    def state_dict(self) -> Mapping[str, Any]: ...


class KerasModel(Protocol):
    """A `keras.Model`."""

    def get_weights(self) -> list[Any]: ...


ModelSource: TypeAlias = str | Path | Mapping[str, Any] | TorchModule | KerasModel
"""A model file or its address on a hub, or a model in memory: a PyTorch module, a state dict, a
Keras model."""
NOT_RUN = "the code of the PyTorch module was not run: its weights were, in this program's SignBART"


def is_path(model: object) -> TypeGuard[str | Path]:
    """Return whether a model is given by its file."""
    return isinstance(model, str | Path)


def is_torch_module(model: object) -> bool:
    """Return whether a model is a PyTorch module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_keras_model(model: object) -> bool:
    """Return whether a model is a Keras model."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


@dataclass(frozen=True)
class Files:
    """The files of some models, and what those in memory are called."""

    paths: tuple[Path, ...]
    names: Mapping[Path, str]
    notes: tuple[str, ...] = ()
    """What is not proven of a model that is in memory."""

    def named(self, text: str) -> str:
        """Return a text that speaks of the models as the user knows them."""
        for path, name in self.names.items():
            text = text.replace(str(path), name).replace(path.name, name)
        return text

    def report(self, report: Report) -> Report:
        """Return a report that speaks of the models as the user knows them."""
        return replace(
            report,
            reference=self.named(report.reference),
            candidate=self.named(report.candidate),
            notes=tuple(map(self.named, (*report.notes, *self.notes))),
            cautions=tuple(map(self.named, (*report.cautions, *self.notes))),
        )


@contextmanager
def files_of(*models: ModelSource) -> Iterator[Files]:
    """Yield the file of each model: its own, or one that is removed at the end.

    Errors that are raised inside name a model in memory by what it is. Raises PortError for what is
    no model, and for one that cannot be saved.
    """
    if all(is_path(model) for model in models):
        yield Files(tuple(Path(model) for model in models if is_path(model)), {})
        return
    with ExitStack() as stack:
        with processes.scratch_errors():  # of what is written here, not of what is done with it
            files = _files(models, Path(stack.enter_context(processes.new_folder())))
        try:
            yield files
        except PortError as error:
            culprit = None if error.path is None else files.named(str(error.path))
            hint = files.named(error.hint)
            if (command := f": signbart-port plan '{culprit}'") in hint:
                hint = hint.replace(command, ": signbart-port plan FILE")
                hint = f"Save its state dict to a file. {hint}"
            raise PortError(culprit, files.named(error.what), hint) from error
        except ProofError as error:
            report = None if error.report is None else files.report(error.report)
            raise ProofError(files.named(str(error)), report) from error


def _files(models: Sequence[ModelSource], folder: Path) -> Files:
    paths, names, notes = list[Path](), dict[Path, str](), dict[str, None]()
    for number, model in enumerate(models):
        if is_path(model):
            paths.append(Path(model))
            continue
        if is_torch_module(model):
            notes[NOT_RUN] = None
        (own := folder / str(number)).mkdir()
        path, name = _saved(model, own)
        names[path] = name if name not in names.values() else f"{name} {number + 1}"
        paths.append(path)
    return Files(tuple(paths), names, tuple(notes))


def check_out(model: ModelSource, out: object) -> None:
    """Raise PortError where there is no name to make that of the output of."""
    if not is_path(model) and out is None:
        raise PortError(None, "a model in memory has no name", "Say where to write: out=...")


def check_torch(model: ModelSource) -> None:
    """Raise PortError for a Keras model in memory, where PyTorch's is taken."""
    if is_keras_model(model):
        what = "is one of Keras already; a PyTorch module or a state dict is taken"
        raise PortError("Keras model", what, "model.save('model.keras') saves it")


def check_keras(model: ModelSource) -> None:
    """Raise PortError for a PyTorch model in memory, where Keras' is taken."""
    if is_torch_module(model) or isinstance(model, Mapping):
        name = "PyTorch module" if is_torch_module(model) else "state dict"
        what = "is PyTorch's already; a Keras model is taken"
        raise PortError(name, what, "torch.save(model.state_dict(), 'model.pth') saves it")


def _saved(model: Any, folder: Path) -> tuple[Path, str]:
    """Save a model in memory. Return its file and what it is called."""
    if is_torch_module(model):
        state = {name: _on_cpu(value) for name, value in model.state_dict().items()}
        config = _config_of(model)
        return _by_torch(
            {"model": state, "config": config} if config else state, folder, "PyTorch module"
        )
    if is_keras_model(model):
        return _by_keras(model, folder)
    if isinstance(model, Mapping):
        return _state_dict(model, folder)
    raise PortError(
        None,
        f"{printable(type(model).__name__)} is no model",
        "Give a path, a PyTorch module, a state dict or a Keras SignBart",
    )


def _state_dict(state: Mapping[str, Any], folder: Path) -> tuple[Path, str]:
    import numpy as np

    name = "state dict"
    if not state or not all(isinstance(value, np.ndarray) for value in state.values()):
        if "torch" not in sys.modules:
            raise PortError(name, "holds neither arrays of NumPy nor tensors of PyTorch")
        return _by_torch(dict(state), folder, name)
    from signbart_port.checkpoint import writer

    path = folder / f"{name}.safetensors"
    try:
        path.write_bytes(writer.safetensors_bytes(state))
    except (TypeError, ValueError, KeyError) as error:
        raise PortError(name, f"cannot be saved ({printable(error)})") from None
    return path, name


def _by_torch(content: Mapping[str, Any], folder: Path, name: str) -> tuple[Path, str]:
    path = folder / f"{name}.pth"
    try:
        sys.modules["torch"].save(content, path)
    except OSError:
        raise
    except Exception as error:  # whatever an object beside the weights does when it is pickled
        why = f"{type(error).__name__}: {printable(error)}"
        raise PortError(name, f"PyTorch cannot save it ({why})", "Give the state dict") from None
    return path, name


def _by_keras(model: Any, folder: Path) -> tuple[Path, str]:
    from signbart_port.keras_model import SignBart
    from signbart_port.model_files.keras_h5 import write

    name = "Keras model"
    if isinstance(model, SignBart):
        write(path := folder / f"{name}.h5", model, lambda file: None)
        return path, name
    path = folder / f"{name}.keras"
    try:
        model.save(path)
    except OSError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {printable(error)}"
        raise PortError(name, f"Keras cannot save it ({why})") from None
    return path, name


def _on_cpu(value: Any) -> Any:
    return value.detach().cpu() if hasattr(value, "detach") else value


def _config_of(model: Any) -> dict[str, Any] | None:
    """Return the config of one of this program's PyTorch models, or a plain one."""
    from signbart_port.config import SignBartConfig

    config = getattr(model, "config", None)
    if isinstance(config, SignBartConfig):
        return config.explicit.model_dump(mode="json")
    return dict(config) if isinstance(config, Mapping) else None
