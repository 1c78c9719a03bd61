"""What ZeroModels makes of folders of Hugging Face.

`converters.py` runs it in an environment that has ZeroModels, and not this program.

    python converters_zeromodels.py JOB.json

The job lists folders, each with the class, a file of inputs, and the file for the outputs, in
float32 and float64. ZeroModels reads from Hugging Face's hub only: its download is replaced by the
folder, and nothing else is.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def outputs(job: dict[str, Any], dtype: str) -> Any:
    """Return the output of a model on the inputs of a job."""
    import keras
    import numpy as np

    base: Any = importlib.import_module("zeromodels.base.base_mixin")
    download: Any = importlib.import_module("zeromodels.conversion.hf_download_utils")
    module, _, name = job["class"].partition(":")
    folder = Path(job["folder"])

    def local(_repository: str, file: str, **_options: Any) -> str:
        return str(folder / file)

    base.hf_hub_download = download.hf_hub_download = local
    keras.config.set_floatx(dtype)
    model = getattr(importlib.import_module(module), name).from_weights(
        "hf:local/folder", load_dtype=dtype
    )
    with np.load(job["inputs"]) as inputs:
        out = model({key: inputs[key] for key in inputs}, training=False)
    return keras.ops.convert_to_numpy(out["last_hidden_state"])


def main() -> None:
    """Run every job, and say what each has come to."""
    import numpy as np

    for job in json.loads(Path(sys.argv[1]).read_text()):
        said = {}
        for dtype in ("float32", "float64"):
            try:
                said[dtype] = outputs(job, dtype)
            except Exception as error:
                first = " ".join(str(error).split()).partition(". ")[0]
                told = f"{type(error).__name__}: {first}"[:300]
                Path(job["outputs"]).with_suffix(".txt").write_text(told)
                break
        else:
            np.savez(job["outputs"], **said)


if __name__ == "__main__":
    main()
