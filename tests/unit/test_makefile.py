"""Holds `make` to what it says: its targets, and one clear line for each thing that is missing. It builds nothing."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.sources import ROOT

TARGETS: Final = {
    "help", "demo", "test", "test-fast", "test-long", "test-rust", "test-python", "lint", "audit", "bench", "fuzz",
    "docs", "test-oldest", "sanitize", "wheels", "wheel-pgo", "builds", "test-arm", "clean",
}  # fmt: skip
TOOLS: Final = ("awk", "env", "find", "mkdir", "sh", "touch")


def run_make(*arguments: str, folder: Path = ROOT, path: str | None = None) -> subprocess.CompletedProcess[str]:
    make = shutil.which("make")
    assert make is not None, "the tests of the Makefile need make"
    # An outer make must not hand its own flags on.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
    environment["PATH"] = path or environment["PATH"]
    return subprocess.run(
        [make, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout where nothing was set up, with as much in it as the checks read."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "Cargo.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "rust").mkdir()
    return tmp_path


def tools(folder: Path, programs: Sequence[str]) -> str:
    """A PATH with these programs and nothing else."""
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None, program
        (folder / program).symlink_to(found)
    return str(folder)


def set_up_tools(checkout: Path) -> None:
    """Pretends that the environment is there, so that only the check for Rust remains."""
    stamp = checkout / ".venv" / "stamps" / "tools"
    stamp.parent.mkdir(parents=True)
    stamp.touch()


def test_help_is_the_default_and_lists_every_target() -> None:
    shown = run_make()
    assert shown.returncode == 0, shown.stderr
    assert set(re.findall(r"^  make ([a-z-]+)", shown.stdout, re.MULTILINE)) == TARGETS
    assert shown.stdout == run_make("help").stdout


def test_documents_name_only_targets_that_exist() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run"]
    command = re.compile(r"(?:^|`)make (?:--\S+ )*([a-z-]+)", re.MULTILINE)
    named = {name for path in documents for name in command.findall(path.read_text())}
    assert named
    assert named <= TARGETS


def test_ci_runs_lint_tests_and_demo() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = re.findall(r"^make .*$", script.read_text(), re.MULTILINE)
    assert commands == [
        "make .venv/stamps/package",
        "make --jobs=2 --output-sync=target test lint demo test-oldest DEMO_ARGS=--small",
    ]


def test_all_tests_are_run() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "$(MAKE) --jobs=2 --output-sync=target test-bus test-units test-rust test-benches\n" in makefile
    late = "tests/unit/test_benches.py"
    assert re.findall(r"-m pytest (.*)$", makefile, re.MULTILINE)[1:] == [
        f"tests/unit --ignore={late} benches/surface",
        "tests/integration",
        late,
        "$(PYTEST_ARGS)",
        "$(OLDEST_TESTS)",
    ]
    # Its parts are all that there is.
    folders = {path.relative_to(ROOT).parts[:2] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == {("tests", "unit"), ("tests", "integration")}
    assert 'testpaths = ["tests", "benches/surface"]' in (ROOT / "pyproject.toml").read_text()


def test_fuzzing_runs_every_target_from_a_corpus() -> None:
    loop = re.search(r"for target in ([a-z ]+); do", (ROOT / "Makefile").read_text())
    assert loop is not None
    fuzz = ROOT / "rust" / "fuzz"
    targets = {path.stem for path in (fuzz / "fuzz_targets").glob("*.rs")}
    assert set(loop[1].split()) == targets
    for target in targets:
        assert f'path = "fuzz_targets/{target}.rs"' in (fuzz / "Cargo.toml").read_text()
        assert any((fuzz / "corpus" / target).iterdir()), target


def test_missing_python_is_named(checkout: Path) -> None:
    failed = run_make("test", "PYTHON=no-such-python", folder=checkout)
    assert failed.returncode != 0
    assert "make: no-such-python is not there. " in failed.stderr


def test_old_python_is_named(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    failed = run_make("test", f"PYTHON={old}", folder=checkout)
    assert failed.returncode != 0
    assert "is older than Python 3.11" in failed.stderr


def test_python_without_venv_is_named(checkout: Path) -> None:
    bare = checkout / "bare-python"
    bare.write_text(f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    failed = run_make("test", f"PYTHON={bare}", folder=checkout)
    assert failed.returncode != 0
    assert "lacks its venv module" in failed.stderr


def test_missing_cargo_is_named(checkout: Path) -> None:
    set_up_tools(checkout)
    failed = run_make("test", folder=checkout, path=tools(checkout / "bin", TOOLS))
    assert failed.returncode != 0
    assert "make: cargo is not there. Get it from https://rustup.rs" in failed.stderr


def test_old_cargo_is_named(checkout: Path) -> None:
    set_up_tools(checkout)
    path = tools(checkout / "bin", TOOLS)
    cargo = checkout / "bin" / "cargo"
    cargo.write_text("#!/bin/sh\necho 'cargo 1.87.0 (0000000 2025-05-01)'\n")
    cargo.chmod(0o755)
    failed = run_make("test", folder=checkout, path=path)
    assert failed.returncode != 0
    assert "this cargo is older than Rust 1.89" in failed.stderr


def test_missing_linker_is_named(checkout: Path) -> None:
    set_up_tools(checkout)
    path = tools(checkout / "bin", TOOLS)
    cargo = checkout / "bin" / "cargo"
    cargo.write_text("#!/bin/sh\necho 'cargo 1.89.0 (0000000 2025-08-04)'\n")
    cargo.chmod(0o755)
    failed = run_make("test", folder=checkout, path=path)
    assert failed.returncode != 0
    assert "there is no C linker (cc)" in failed.stderr


def run_script(
    name: str, *arguments: str, checkout: Path, programs: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """A script of `wheels/` where no programs are but the given ones, each a line of shell, and a few harmless ones."""
    shutil.copytree(ROOT / "wheels", checkout / "wheels")
    path = tools(checkout / "bin", ("dirname", "grep", "ls", "sed", "sh", "uname"))
    for program, line in programs.items():
        (checkout / "bin" / program).unlink(missing_ok=True)
        (checkout / "bin" / program).write_text(f"#!/bin/sh\n{line}\n")
        (checkout / "bin" / program).chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    command = [shell, f"wheels/{name}", *arguments]
    return subprocess.run(
        command, cwd=checkout, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=120
    )


def test_rustc_with_the_standard_library_is_taken(checkout: Path) -> None:
    (checkout / "libcore-1.rlib").touch()
    done = run_script("rustc.sh", "any-target", checkout=checkout, programs={"rustc": f"echo {checkout}"})
    assert (done.returncode, done.stdout) == (0, "rustc\n"), done.stderr


@pytest.mark.parametrize("target", ["aarch64-unknown-linux-gnu", "riscv64gc-unknown-linux-gnu"])
def test_missing_standard_library_is_named(checkout: Path, target: str) -> None:
    failed = run_script("rustc.sh", target, checkout=checkout, programs={"rustc": f"echo {checkout}"})
    assert failed.returncode != 0
    assert failed.stdout == ""
    assert failed.stderr == (
        f"make: Rust's standard library for {target} is not there. Get it with: rustup target add {target}\n"
    )


def test_missing_profdata_is_named(checkout: Path) -> None:
    rustc = "echo 'LLVM version: 22.1.2'"
    failed = run_script("profdata.sh", checkout=checkout, programs={"rustc": rustc})
    assert failed.returncode != 0
    assert "make: llvm-profdata of LLVM 22 is not there. Get it with: rustup component add llvm-tools" in failed.stderr


@pytest.mark.parametrize(("version", "taken"), [("22.1.8", True), ("21.1.0", False)])
def test_profdata_must_be_of_the_same_llvm(checkout: Path, version: str, taken: bool) -> None:
    programs = {"rustc": "echo 'LLVM version: 22.1.2'", "llvm-profdata-22": f"echo '  LLVM version {version}'"}
    done = run_script("profdata.sh", checkout=checkout, programs=programs)
    assert (done.returncode == 0, done.stdout == "llvm-profdata-22\n") == (taken, taken), done.stderr


def test_missing_arm_userland_is_named(checkout: Path) -> None:
    failed = run_script("arm.sh", checkout=checkout, programs={"uname": "echo x86_64"})
    assert failed.returncode != 0
    assert failed.stderr.startswith("make: an Arm userland to test in is not there. ")


def test_an_arm_machine_emulates_nothing(checkout: Path) -> None:
    done = run_script("arm.sh", checkout=checkout, programs={"uname": "echo aarch64"})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
