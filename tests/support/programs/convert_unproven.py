"""Convert checkpoints into a folder: FOLDER CHECKPOINT..."""

import sys
from pathlib import Path

import signbart_port

for path in map(Path, sys.argv[2:]):
    signbart_port.convert(path, Path(sys.argv[1]) / f"{path.stem}.h5", verify=False)
