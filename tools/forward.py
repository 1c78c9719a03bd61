"""What `bench.py` holds `verify` against: import both frameworks, and run a checkpoint on the clips
of the proof in PyTorch, once in float64 and once in float32.

    python tools/forward.py model.pth
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow  # noqa: F401  its import is a part of what is timed
import torch

from pt_reference import SignBart
from signbart_port import config as configs
from signbart_port.pairs.signbart_cases import make_for

checkpoint = Path(sys.argv[1])
config = configs.load(checkpoint.with_suffix(".yaml"))
model = SignBart(config).eval()
model.load_state_dict(torch.load(checkpoint, weights_only=True), strict=True)
inputs = make_for(config)
mask = torch.from_numpy(inputs.attention_mask)
with torch.inference_mode():
    for dtype in (torch.float64, torch.float32):
        model.to(dtype)(torch.from_numpy(inputs.keypoints).to(dtype), mask)
