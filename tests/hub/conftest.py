from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import save

from tests.support.hub import COMMIT, Hub, serving
from tests.support.small_models import distinct_state_dict, small_config

CONFIG = small_config()
RELEASE = {
    "model.safetensors": save(distinct_state_dict(CONFIG)),
    "config.json": json.dumps(CONFIG.model_dump(mode="json")).encode(),
    "README.md": b"# Signs",
    "modeling.py": b"raise SystemExit",
    "pytorch_model.bin": b"\x80\x02.",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a release of the small model, an empty cache, and a token that nobody asked to
    send."""
    with serving(Hub({COMMIT: dict(RELEASE)})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_ASSETS_CACHE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        yield running
