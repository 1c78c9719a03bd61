"""Live keypoints from a camera that is fed with a photograph of a person.

It needs the npm package @mediapipe/holistic, whose folder the variable HOLISTIC_PACKAGE names. Its
shaders run on a processor here, which takes minutes: real signing is not judged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

import signbart_port
from tests.support.browser import Browser
from tests.support.sites import serving

pytestmark = pytest.mark.release


def write_video(path: Path) -> None:
    """Write ten frames of 640×480 in which a photograph moves."""
    photograph = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    person = Image.open(photograph).convert("RGB").resize((410, 480))
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n")
        for number in range(10):
            picture = Image.new("RGB", (640, 480), (90, 90, 90))
            picture.paste(person, (100 + 4 * number, 0))
            y, u, v = (np.array(part) for part in picture.convert("YCbCr").split())
            file.write(
                b"FRAME\n" + b"".join(one.tobytes() for one in (y, u[::2, ::2], v[::2, ::2]))
            )


def test_a_person_is_seen_and_classified(small_tflite: Callable[..., Path], tmp_path: Path) -> None:
    package = os.environ.get("HOLISTIC_PACKAGE")
    if package is None:
        pytest.skip("HOLISTIC_PACKAGE names no folder of @mediapipe/holistic")
    write_video(tmp_path / "camera.y4m")
    site = signbart_port.write_site(
        small_tflite(4, 16), tmp_path / "site", with_camera=package
    ).folder
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'camera.y4m'}",
        "--enable-unsafe-swiftshader",
    )
    with serving(site) as server, Browser(*flags, patience=1200) as page:
        page.open(server.url)
        page.wait_for("document.documentElement?.dataset.ready")
        page.evaluate("document.querySelector('#camera button').click()")
        page.wait_for("document.getElementById('camera-result').innerText")
        state = page.text("#camera-state")
        assert re.fullmatch(r"[\d.]+ frames a second; somebody is seen", state)
        assert "sign" in page.text("#camera-result")
        assert all(url.startswith((server.url, "blob:", "data:")) for url in page.requests())
        assert page.errors() == []
