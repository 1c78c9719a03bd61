"""The copies of LiteRT.js: the bytes that were published, but for one import."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

LITERT = resources.files("signbart_port.web") / "litert"
TABLE = json.loads((LITERT / "files.json").read_text())


def test_every_file_is_in_the_table() -> None:
    there = {one.name for one in LITERT.iterdir()}
    assert there == {*TABLE["files"], "LICENSE", "files.json"}
    assert "Apache License" in (LITERT / "LICENSE").read_text()


def test_the_bytes_are_those_that_were_published() -> None:
    """One file has one import by a path instead of a name: turned back, it is the original."""
    changed = []
    for name, stated in TABLE["files"].items():
        data = (LITERT / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == stated["sha256"], name
        original = data.replace(b'from "./wasm-utils.js"', b'from "@litertjs/wasm-utils"')
        assert hashlib.sha256(original).hexdigest() == stated["published"], name
        changed += [name] if original != data else []
    assert changed == ["core.js"]
