"""Save the tensors of a checkpoint again; print what lies beside them, and our modules."""

import json
import sys

import torch

path, out = sys.argv[1:]
if path.endswith(".safetensors"):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        beside = {key: json.loads(text) for key, text in file.metadata().items() if key != "format"}
elif path.endswith("training.pth"):
    beside = torch.load(path, weights_only=True)
    state = beside.pop("model")
else:
    state, beside = torch.load(path, weights_only=True), {}
torch.save(state, out)
print(json.dumps([beside, sorted(m for m in sys.modules if m.startswith(("signbart", "pt_ref")))]))
