"""Module paths of version 0.1, which go on working.

Saved `.keras` files name one of them, and so may programs. Each import gives the module of today,
with a DeprecationWarning. Nothing in this program depends on an old path.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = {
    "pt_reference.training": "signbart_port.training.torch_fit",
    "signbart_port.accuracy": "signbart_port.metrics.accuracy",
    "signbart_port.checkpoint.pickles": "signbart_port.untrusted.pickle_machine",
    "signbart_port.checkpoint.refusal": "signbart_port.untrusted.refusal",
    "signbart_port.checkpoint.sniff": "signbart_port.untrusted.file_kind",
    "signbart_port.checkpoint.tensors": "signbart_port.untrusted.tensors",
    "signbart_port.checkpoint.torch_globals": "signbart_port.untrusted.pickle_globals",
    "signbart_port.checkpoint.torch_save": "signbart_port.checkpoint.workers.torch_save",
    "signbart_port.child": "signbart_port.system.processes",
    "signbart_port.cli.data": "signbart_port.cli.data_check",
    "signbart_port.cli.options": "signbart_port.cli._options",
    "signbart_port.cli.reporting": "signbart_port.cli._report_file",
    "signbart_port.cli.show": "signbart_port.cli._show",
    "signbart_port.cli.train_runs": "signbart_port.cli._training_progress",
    "signbart_port.configs": "signbart_port.config.published",
    "signbart_port.conversion": "signbart_port.verbs.convert",
    "signbart_port.data.ahead": "signbart_port.data.prefetch",
    "signbart_port.data.stored": "signbart_port.data.stored_array",
    "signbart_port.data.synthetic.folder": "signbart_port.system.atomic_folder",
    "signbart_port.data.unpickling": "signbart_port.data.sample_pickles",
    "signbart_port.digest": "signbart_port.system.digest",
    "signbart_port.evaluation.evaluating": "signbart_port.verbs.evaluate",
    "signbart_port.exporting": "signbart_port.verbs.export",
    "signbart_port.flops": "signbart_port.metrics.flops",
    "signbart_port.golden": "signbart_port.tflite.golden",
    "signbart_port.h5": "signbart_port.model_files.h5",
    "signbart_port.inspect": "signbart_port.verbs.inspect_file",
    "signbart_port.joints": "signbart_port.config.joints",
    "signbart_port.keras_model.quantization_aware": "signbart_port.training.quantization_aware",
    "signbart_port.kinds": "signbart_port.untrusted.model_kind",
    "signbart_port.output": "signbart_port.system.atomic_output",
    "signbart_port.parity.inputs": "signbart_port.pairs.signbart_cases",
    "signbart_port.parity.mistakes": "signbart_port.pairs.signbart_diagnosis.mistakes",
    "signbart_port.parity.numpy_model": "signbart_port.pairs.signbart_diagnosis.numpy_model",
    "signbart_port.parity.opened": "signbart_port.model_files.model_file",
    "signbart_port.parity.search": "signbart_port.pairs.signbart_diagnosis.search",
    "signbart_port.parity.torch_run": "signbart_port.parity.workers.torch_run",
    "signbart_port.parity.verify": "signbart_port.verbs.verify",
    "signbart_port.planning": "signbart_port.verbs.plan",
    "signbart_port.prediction": "signbart_port.verbs.predict",
    "signbart_port.quiet": "signbart_port.system.stderr",
    "signbart_port.report.evaluation": "signbart_port.report.evaluation_page",
    "signbart_port.report.page": "signbart_port.report.proof_page",
    "signbart_port.report.rendering": "signbart_port.report.templates",
    "signbart_port.resolve": "signbart_port.model_files.config_resolution",
    "signbart_port.running": "signbart_port.inference.batches",
    "signbart_port.source": "signbart_port.model_files.checkpoint_model",
    "signbart_port.strict_yaml": "signbart_port.untrusted.strict_yaml",
    "signbart_port.tflite.apart": "signbart_port.inference.logits",
    "signbart_port.tflite.clips": "signbart_port.data.clips",
    "signbart_port.tflite.converting": "signbart_port.tflite_export.workers.converter",
    "signbart_port.tflite.edges": "signbart_port.tflite.quantized_io",
    "signbart_port.tflite.emission": "signbart_port.tflite_export.emission",
    "signbart_port.tflite.emit": "signbart_port.verbs.to_tflite",
    "signbart_port.tflite.flatbuffer": "signbart_port.tflite.model_file",
    "signbart_port.tflite.gate": "signbart_port.tflite_export.gate",
    "signbart_port.tflite.graph": "signbart_port.tflite_export.graph_proof",
    "signbart_port.tflite.interface": "signbart_port.data.model_interface",
    "signbart_port.tflite.matching": "signbart_port.tflite_export.weight_matching",
    "signbart_port.tflite.mixed": "signbart_port.tflite_export.mixed_precision",
    "signbart_port.tflite.packing": "signbart_port.tflite_export.packing",
    "signbart_port.tflite.products": "signbart_port.tflite.flops",
    "signbart_port.tflite.proof": "signbart_port.tflite_export.proof",
    "signbart_port.tflite.quantization": "signbart_port.tflite.modes",
    "signbart_port.tflite.quantizing": "signbart_port.tflite_export.workers.quantizer",
    "signbart_port.tflite.request": "signbart_port.tflite_export.request",
    "signbart_port.tflite.rewriting": "signbart_port.tflite_export.converter_rewrites",
    "signbart_port.tflite.run": "signbart_port.inference.logits",
    "signbart_port.tflite.weights": "signbart_port.tflite_export.weight_proof",
    "signbart_port.tflite.widen": "signbart_port.tflite_export.dequantize",
    "signbart_port.training.data": "signbart_port.training.splits",
    "signbart_port.training.job": "signbart_port.training.request",
    "signbart_port.training.settings": "signbart_port.config.training",
    "signbart_port.transfer.draft": "signbart_port.transfer.suggest.draft",
    "signbart_port.transfer.fold": "signbart_port.transfer.folding",
    "signbart_port.transfer.modules": "signbart_port.transfer.suggest.modules",
    "signbart_port.transfer.places": "signbart_port.transfer.suggest.slots",
    "signbart_port.transfer.words": "signbart_port.transfer.suggest.meanings",
}


class _Renamed(MetaPathFinder, Loader):
    """A finder of today's modules under their old paths."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = MODULES[old]
        warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[old] = import_module(new)  # the import system gives out what stands here


def install() -> None:
    """Let the old paths be found, where nothing else is."""
    sys.meta_path.append(_Renamed())
