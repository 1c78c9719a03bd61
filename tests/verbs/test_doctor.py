"""What `doctor` finds in an installation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from signbart_port.system.packages import PACKAGES
from signbart_port.verbs import _doctor, _starts
from signbart_port.verbs._known_faults import KNOWN_FAULTS

Program = Callable[..., tuple[int, str, str]]


def known(versions: dict[str, str]) -> list[str]:
    return [fault.what for one in KNOWN_FAULTS for fault in one(versions)]


def requiring(monkeypatch: pytest.MonkeyPatch, **requires: list[str]) -> None:
    """Let these distributions be installed, and signbart-port require the first."""
    names = {name.replace("_", "-"): lines for name, lines in requires.items()}
    monkeypatch.setattr(metadata, "requires", lambda name: names[name])


def test_this_environment_has_everything_and_no_fault(program: Program) -> None:
    code, out, err = program("doctor", "--json")
    found = json.loads(out)
    faults = [one for one in found["faults"] if "is a CUDA build" not in one["what"]]
    assert (code, err, faults) == (0, "", [])
    assert {case["case"]: case["missing"] for case in found["cases"] if case["missing"]} == {}
    versions = {one["distribution"]: one["version"] for one in found["packages"]}
    assert versions["torch"] == metadata.version("torch")
    assert None not in versions.values()


def test_it_imports_no_framework() -> None:
    from tests.support.running import run_cli

    ended = run_cli("doctor")
    assert ended.code == 0 and "TensorFlow 2." in ended.printed
    assert ended.imported.isdisjoint({"torch", "tensorflow", "keras", "matplotlib", "sklearn"})


def test_what_is_absent_is_said_with_its_extra(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = _doctor._installed_versions()
    del versions["scikit-learn"]
    monkeypatch.setattr(_doctor, "_installed_versions", lambda: versions)
    monkeypatch.setattr(_doctor, "is_installed", lambda module: module != "sklearn")
    code, out, _ = program("doctor")
    assert code == 0
    assert "evaluate: scikit-learn, of [evaluate]" in out
    (runs,) = (line for line in out.splitlines() if line.startswith("runs"))
    assert "verify" in runs and "evaluate" not in runs


@pytest.mark.parametrize(
    ("requires", "version", "fault"),
    [
        ("h5py<3.15", "3.15.1", "tensorflow needs h5py<3.15, 3.15.1 is installed"),
        ("h5py<3.15", "3.14.0", None),
        ("h5py", None, "tensorflow needs h5py, which is not installed"),
        ("h5py; extra == 'hdf'", None, None),
        ("h5py; python_version < '3'", "1.0", None),
    ],
)
def test_what_a_package_requires_of_others_must_be_there(
    requires: str, version: str | None, fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ['tensorflow>=2.21; extra == "keras"']
    requiring(monkeypatch, signbart_port=ours, tensorflow=[requires], h5py=[])
    versions = {"signbart-port": "1", "tensorflow": "2.21.0"} | (
        {"h5py": version} if version else {}
    )
    found = [one.what for one in _doctor._unmet(versions)]
    assert found == ([fault] if fault else [])


def test_a_package_of_an_extra_must_be_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    requiring(monkeypatch, signbart_port=['torch>=2.10; extra == "torch"'], torch=[])
    assert list(_doctor._unmet({})) == []
    (found,) = _doctor._unmet({"torch": "2.9.1+cpu"})
    assert found.what == "signbart-port needs torch>=2.10, 2.9.1+cpu is installed"
    assert found.remedy == 'pip install "torch>=2.10"' and found.broken


def test_a_module_without_its_metadata() -> None:
    versions = {one.distribution: "1" for one in PACKAGES.values()}
    assert list(_doctor._half_installed(versions)) == []
    versions["absent"] = versions.pop("tensorflow")
    assert [one.what for one in _doctor._half_installed(versions)] == [
        "TensorFlow is of another distribution"
    ]


def test_metadata_without_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_doctor, "is_installed", lambda module: module != "torch")
    versions = {one.distribution: "1" for one in PACKAGES.values()}
    (found,) = _doctor._half_installed(versions)
    assert found.what == "PyTorch is recorded as installed, and its files are gone"


def test_something_broken_is_exit_code_2(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    requiring(monkeypatch, signbart_port=["numpy>=99", "absent"], numpy=[])
    code, out, err = program("doctor")
    assert code == 2 and "numpy>=99" in out and err.count("\n") == 1
    assert "signbart-port needs numpy>=99" in err and "and 1 more" in err


def test_torchvision_beside_a_cpu_build() -> None:
    (found,) = known({"torch": "2.13.0+cpu", "torchvision": "0.29.1"})
    assert "operator torchvision::nms does not exist" in found
    assert known({"torch": "2.13.0+cpu", "torchvision": "0.29.1+cpu"}) == []
    assert known({"torch": "2.13.0", "torchvision": "0.29.1"}) == []


def test_another_backend_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert known({"keras": "3.15.1"}) == ["KERAS_BACKEND is torch"]
    assert known({}) == []


def test_the_size_of_a_cuda_build_is_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "nvidia-cudnn-cu13"):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.so,,\n")
        (tmp_path / f"{name}.so").write_bytes(b"")
        with (tmp_path / f"{name}.so").open("r+b") as file:
            file.truncate(600_000_000)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr("platform.system", lambda: "Linux")
    versions = {"torch": "1.0", "nvidia-cudnn-cu13": "1.0"}
    (found,) = (fault for one in KNOWN_FAULTS for fault in one(versions))
    assert "a CUDA build: 1.2 GB with its packages" in found.what and not found.broken
    assert "https://download.pytorch.org/whl/cpu" in found.remedy


def test_a_package_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the test are in place of all others."""
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: no version information')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    monkeypatch.setattr(_starts, "is_installed", lambda module: module == "torch")
    steps: list[str] = []
    (found,) = _starts.failed_imports(steps.append)
    assert steps == ["Importing PyTorch"] and found.broken
    assert "PyTorch is installed and does not start (OSError: libtorch.so" in found.what
