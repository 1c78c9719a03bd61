"""Moves trained PyTorch SignBART models to Keras and TFLite, and proves them equal.

    import signbart_port
    signbart_port.convert("model.pth", "model.h5")
    signbart_port.to_tflite("model.h5", "model.tflite")
    model = signbart_port.load("model.h5")

Importing this package imports no framework. Once Keras is imported, before or after, its
`keras.models.load_model` knows the layers of SignBART.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from signbart_port import _renamed
from signbart_port.requirements import checked
from signbart_port.system.import_hooks import when_imported
from signbart_port.system.lazy_package import lazy_package
from signbart_port.system.python_words import speaks_python

if TYPE_CHECKING:  # the table below once more, for type checkers and editors
    from signbart_port.config import SignBartConfig as SignBartConfig
    from signbart_port.errors import PortError as PortError
    from signbart_port.errors import ProofError as ProofError
    from signbart_port.hub.access import hub_access as hub_access
    from signbart_port.keras_model import SignBart as SignBart
    from signbart_port.model_files.config_resolution import Options as Options
    from signbart_port.parity.config_keys import Ignored as Ignored
    from signbart_port.parity.config_keys import Mapped as Mapped
    from signbart_port.parity.config_keys import Required as Required
    from signbart_port.parity.config_keys import SameAs as SameAs
    from signbart_port.parity.pair import Case as Case
    from signbart_port.parity.pair import Pair as Pair
    from signbart_port.parity.pair import Signature as Signature
    from signbart_port.parity.pair import Tap as Tap
    from signbart_port.system.version import __version__ as __version__
    from signbart_port.verbs.convert import convert as convert
    from signbart_port.verbs.convert_pair import convert_pair as convert_pair
    from signbart_port.verbs.evaluate import evaluate as evaluate
    from signbart_port.verbs.export import export as export
    from signbart_port.verbs.export_converter import export_converter as export_converter
    from signbart_port.verbs.export_pair import export_pair as export_pair
    from signbart_port.verbs.inspect_file import inspect_file as inspect_file
    from signbart_port.verbs.load import load as load
    from signbart_port.verbs.plan import plan as plan
    from signbart_port.verbs.plan_pair import plan_pair as plan_pair
    from signbart_port.verbs.predict import predict as predict
    from signbart_port.verbs.prove import assert_equal as assert_equal
    from signbart_port.verbs.prove import prove as prove
    from signbart_port.verbs.prove import transfer_weights as transfer_weights
    from signbart_port.verbs.prove_pair import prove_pair as prove_pair
    from signbart_port.verbs.replay_golden import replay_golden as replay_golden
    from signbart_port.verbs.snippets import snippets as snippets
    from signbart_port.verbs.to_tflite import to_tflite as to_tflite
    from signbart_port.verbs.to_tflite_pair import to_tflite_pair as to_tflite_pair
    from signbart_port.verbs.vary_pair import vary_pair as vary_pair
    from signbart_port.verbs.verify import verify as verify
    from signbart_port.verbs.verify_pair import verify_pair as verify_pair
    from signbart_port.verbs.write_site import write_site as write_site

# What is public, and the module of each name, which is imported when the name is first used.
_PUBLIC = {
    "Case": "signbart_port.parity.pair",
    "Ignored": "signbart_port.parity.config_keys",
    "Mapped": "signbart_port.parity.config_keys",
    "Options": "signbart_port.model_files.config_resolution",
    "Pair": "signbart_port.parity.pair",
    "PortError": "signbart_port.errors",
    "ProofError": "signbart_port.errors",
    "Required": "signbart_port.parity.config_keys",
    "SameAs": "signbart_port.parity.config_keys",
    "SignBart": "signbart_port.keras_model",
    "SignBartConfig": "signbart_port.config",
    "Signature": "signbart_port.parity.pair",
    "Tap": "signbart_port.parity.pair",
    "__version__": "signbart_port.system.version",
    "assert_equal": "signbart_port.verbs.prove",
    "convert": "signbart_port.verbs.convert",
    "convert_pair": "signbart_port.verbs.convert_pair",
    "evaluate": "signbart_port.verbs.evaluate",
    "export": "signbart_port.verbs.export",
    "export_converter": "signbart_port.verbs.export_converter",
    "export_pair": "signbart_port.verbs.export_pair",
    "hub_access": "signbart_port.hub.access",
    "inspect_file": "signbart_port.verbs.inspect_file",
    "load": "signbart_port.verbs.load",
    "plan": "signbart_port.verbs.plan",
    "plan_pair": "signbart_port.verbs.plan_pair",
    "predict": "signbart_port.verbs.predict",
    "prove": "signbart_port.verbs.prove",
    "prove_pair": "signbart_port.verbs.prove_pair",
    "replay_golden": "signbart_port.verbs.replay_golden",
    "snippets": "signbart_port.verbs.snippets",
    "to_tflite": "signbart_port.verbs.to_tflite",
    "to_tflite_pair": "signbart_port.verbs.to_tflite_pair",
    "transfer_weights": "signbart_port.verbs.prove",
    "vary_pair": "signbart_port.verbs.vary_pair",
    "verify": "signbart_port.verbs.verify",
    "verify_pair": "signbart_port.verbs.verify_pair",
    "write_site": "signbart_port.verbs.write_site",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy_package(
    __name__, _PUBLIC, lambda public: speaks_python(checked(public))
)

_renamed.install()
when_imported("keras", lambda: import_module("signbart_port.keras_model"))
