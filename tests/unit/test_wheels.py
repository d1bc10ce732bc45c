"""The check of built wheels finds what is wrong with one. These are made up; `make wheels` checks real ones."""

import importlib.util
import struct
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.sources import ROOT

GOOD = "tallystick-0.1.0-cp311-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"
ENGINE = "tallystick/_engine.abi3.so"
AARCH64, X86_64 = 183, 62


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """`wheels/check.py`, which is no package."""
    spec = importlib.util.spec_from_file_location("wheel_check", ROOT / "wheels" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, *, name: str = GOOD, machine: int = AARCH64, engine: str = ENGINE, more: str = "") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tallystick/__init__.py", "")
        archive.writestr("tallystick-0.1.0.dist-info/METADATA", "")
        archive.writestr(engine, b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(44))
        if more:
            archive.writestr(more, "")
    return path


def test_a_good_wheel_passes(check: ModuleType, tmp_path: Path) -> None:
    assert check.check_file(wheel(tmp_path)) == "aarch64"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"machine": X86_64}, "for another machine"),
        ({"name": GOOD.replace("abi3", "cp311")}, "stable ABI"),
        ({"name": GOOD.replace("cp311", "cp312")}, "stable ABI"),
        ({"name": "tallystick-0.1.0-cp311-abi3-linux_aarch64.whl"}, "no known Linux"),
        ({"engine": "tallystick/_engine.cpython-311.so"}, "compiled files"),
        ({"more": "tests/conftest.py"}, "would install"),
    ],
)
def test_a_wrong_wheel_is_refused(check: ModuleType, tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        check.check_file(wheel(tmp_path, **wrong))


def test_a_large_wheel_is_refused(check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "WHEEL_BYTES_MAX", 10)
    with pytest.raises(SystemExit, match="more than 10 bytes"):
        check.check_file(wheel(tmp_path))
