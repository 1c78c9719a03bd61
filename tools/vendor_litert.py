"""Copy the one build of LiteRT.js that the web page needs into `signbart_port/web/litert/`.

    python tools/vendor_litert.py

Nothing else runs npm: the copies are in the repository and in the wheel. `files.json` beside them
has where each comes from, its SHA-256 as published and, where it differs, as it is here: one import
names a package, which a browser without a build step does not find.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from npm_packages import packed, unpacked
from signbart_port.system import digest

VERSION = "2.5.3"
ROOT = Path(__file__).parents[1]
TO = ROOT / "signbart_port" / "web" / "litert"
FILES = {
    "core.js": ("@litertjs/core", "dist/index.js"),
    "wasm-utils.js": ("@litertjs/wasm-utils", "dist/index.js"),
    # "compat" needs no relaxed SIMD: it runs in every browser, and rounds alike in all of them.
    "litert_wasm_compat_internal.js": ("@litertjs/core", "wasm/litert_wasm_compat_internal.js"),
    "litert_wasm_compat_internal.wasm": ("@litertjs/core", "wasm/litert_wasm_compat_internal.wasm"),
}
BARE, RELATIVE = b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"'


def main() -> None:
    """Write the files and their table."""
    table = {}
    with tempfile.TemporaryDirectory() as temp:
        packages = {package for package, _ in FILES.values()}
        folders = {name: unpacked(packed(name, VERSION, Path(temp))) for name in packages}
        for name, (package, source) in FILES.items():
            published = (folders[package] / source).read_bytes()
            (TO / name).write_bytes(published.replace(BARE, RELATIVE))
            table[name] = {
                "from": f"{package}@{VERSION}/{source}",
                "published": hashlib.sha256(published).hexdigest(),
                "sha256": digest.of_file(TO / name),
            }
    shutil.copy(ROOT / "LICENSE", TO / "LICENSE")  # both are under Apache-2.0, and have no copy
    text = json.dumps({"license": "Apache-2.0", "files": table}, indent=2)
    (TO / "files.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
