"""From the user's options to trainings that can begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.config import SignBartConfig, training
from signbart_port.config.training import Settings
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.clips import check_class_names
from signbart_port.data.dataset import SPLITS, Dataset, open_dataset
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.model_file import WeightFile, open_weights
from signbart_port.training import initial
from signbart_port.training.initial import Weights
from signbart_port.training.run import Job
from signbart_port.training.splits import Data, Parts, read, root_of
from signbart_port.untrusted.model_kind import ModelKind, kind_of


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a training as the user gave them."""

    config: str | None = None
    """A config file or the name of a published config: of the model, of its training, or both."""
    start: Path | None = None
    """The trained model to continue from, of either framework."""
    new_head: bool = False
    """Whether `start` gets a new classification head, for other labels."""
    override: Mapping[str, Any] = field(default_factory=dict)
    """Settings that win over those of `config`."""
    skip_bad: bool = False
    quantization_aware: bool = False


class TrainingPlan:
    """Trainings of one model on one dataset: everything is read once.

    Raises PortError, when it is made, for options that cannot be used.
    """

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options
        self._read = _read(options.config)
        self.notes = self._read.notes
        self._model, keys = configs.training_keys(self._read.data)
        self._source = options.config or "the command line"
        self.settings: Settings = training.parse(keys, self._source, options.override)
        self.dataset: Dataset = open_dataset(root_of(self.settings, self._source))
        self.config: SignBartConfig = self._config()
        check_class_names(self.dataset, self.config.class_names, self._classes_of())

    @cached_property
    def start(self) -> WeightFile | None:
        """The model to start from."""
        path = self.options.start
        if path is None:
            return None
        if kind_of(path) is ModelKind.TFLITE:
            raise PortError(path, "cannot be trained", "Give the .h5 or .pth that it was made of")
        options = Options(config=self.options.config if self._model else None)
        return open_weights(path, options, mappings.signbart())

    @cached_property
    def data(self) -> Data:
        """The clips, read and prepared."""
        form = ClipFormat(self.settings.clip_skeleton, self.settings.frame_size)
        skip_bad = self.options.skip_bad
        return read(self.dataset, self.config, SPLITS, skip_bad=skip_bad, form=form)

    def job(self, parts: Parts, settings: Settings) -> Job:
        """Return one training."""
        return Job(
            config=self.config,
            settings=settings,
            labels=self.dataset.labels,
            train=parts.train,
            validation=parts.validation,
            test=parts.test,
            weights=self._weights(settings.seed),
            quantization_aware=self.options.quantization_aware,
        )

    def _config(self) -> SignBartConfig:
        labels = {"num_labels": len(self.dataset.labels)}
        if self.start is None:
            if not self._model:
                raise self._without_model()
            published = self.options.config in configs.published_names()  # of another dataset
            said = {**self._model, **labels} if published else {**labels, **self._model}
            return configs.parse(said, self._source, passed_over=self._read.passed_over)
        config = self.start.config
        if self._model and self.start.kind is ModelKind.KERAS:
            model = {"num_labels": config.num_labels, **self._model}
            config = _agreed(config, configs.parse(model, self._source), self._source)
        if self.options.new_head:
            names = None if config.class_names is None else self.dataset.labels
            return config.replace(**labels, class_names=names)
        return config

    def _without_model(self) -> PortError:
        further = "or --from MODEL to train a model further"
        if self.options.config is None:
            hint = f"Give --config FILE|NAME, such as --config lsa-64, {further}"
            return PortError(None, "there is no model to train", hint)
        what = "says how to train, and not which model"
        return PortError(self._source, what, f"Add d_model and the other sizes to it, {further}")

    def _classes_of(self) -> Path:
        """Return the file that names the classes, if one does."""
        return self.options.start or Path(self._source)

    def _weights(self, seed: int) -> Weights:
        if self.start is None:
            return initial.drawn(self.config, seed)
        weights = self.start.reference_tensors
        if self.options.new_head:
            return initial.with_new_head(weights, self.config, seed)
        return weights


def _read(config: str | None) -> configs.Adapted:
    """Return the content of a config file; nothing where there is none."""
    return configs.open_config(config) if config else configs.Adapted({}, (), hub=False)


_FREE = {"dropout", "attention_dropout", "activation_dropout", "classifier_dropout", "training"}


def _agreed(file: SignBartConfig, said: SignBartConfig, source: str) -> SignBartConfig:
    """Return the config of a model.h5 with the dropouts of another one; everything else must be
    equal."""
    for key in SignBartConfig.model_fields.keys() - _FREE - {"num_labels", "class_names"}:
        if (one := getattr(said, key)) != (other := getattr(file, key)):
            raise PortError(source, f"says {key} {one}, the model to train on {other}")
    return file.replace(**{key: getattr(said, key) for key in _FREE})
