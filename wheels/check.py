"""Checks built wheels: what they say of themselves is true, and installed alone they count right.

`python wheels/check.py WHEEL…`, in the environment of `make`. A wheel for this machine is installed into a clean
virtual environment; one for Arm runs in the emulated userland of `wheels/arm.sh`, when `--run-arm` asks for it. Each
replays the same events beside the reference and must end in the state hash of the engine that is installed here.
"""

import argparse
import json
import os
import platform
import shlex
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tallystick.demo.peak import peak

ROOT: Final = Path(__file__).resolve().parents[1]
MACHINES: Final = {"x86_64": 62, "aarch64": 183}
"""`e_machine` of an ELF file."""
WHEEL_BYTES_MAX: Final = 4 << 20
EVENTS: Final = 20_000


def main() -> None:
    """Checks each wheel and prints one line for it."""
    parser = argparse.ArgumentParser(prog="python wheels/check.py", description=__doc__)
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    parser.add_argument("--run-arm", action="store_true", help="run wheels for Arm under emulation, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-wheel-") as folder:
        made = peak(Path(folder), events=EVENTS, seed=5, name="small")
        config = Path(folder) / "small.toml"
        config.write_text(made.engine_config)
        arguments = ["replay", str(made.path), "--config", str(config), "--reference", "--json"]
        expected = run([sys.executable, "-m", "tallystick", *arguments])
        for number, wheel in enumerate(options.wheels):
            architecture = check_file(wheel)
            place = Path(folder) / str(number)
            if architecture == platform.machine():
                found = run([*installed(wheel, place), *arguments])
            elif architecture == "aarch64" and options.run_arm:
                found = run([*emulated(wheel, place), *arguments])
            else:
                print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, not run here")
                continue
            if found != expected:
                sys.exit(f"{wheel.name}: found {found}, expected {expected}")
            print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, state hash {json.loads(found)['state_hash']} as here")


def check_file(wheel: Path) -> str:
    """The architecture of a wheel whose name, tags and contents agree. Ends the run if they do not."""
    name, _, python, abi, platforms = wheel.name.removesuffix(".whl").split("-")
    architecture = next((known for known in MACHINES if platforms.endswith(known)), "")
    problems = []
    if (name, python, abi) != ("tallystick", "cp311", "abi3"):
        problems.append("it is not for the stable ABI of CPython 3.11 and later")
    if "manylinux" not in platforms or not architecture:
        problems.append("it is for no known Linux")
    if wheel.stat().st_size > WHEEL_BYTES_MAX:
        problems.append(f"it has more than {WHEEL_BYTES_MAX:,} bytes")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        compiled = [name for name in names if name.endswith(".so")]
        if compiled != ["tallystick/_engine.abi3.so"]:
            problems.append(f"its compiled files are {compiled}")
        elif struct.unpack_from("<H", archive.read(compiled[0]), 18)[0] != MACHINES.get(architecture):
            problems.append("its extension is for another machine than its name says")
        strangers = {name.split("/")[0] for name in names if not name.startswith(("tallystick/", "tallystick-"))}
        if strangers:
            problems.append(f"it would install {sorted(strangers)}")
    if problems:
        sys.exit(f"{wheel.name}: {'; '.join(problems)}")
    return architecture


def installed(wheel: Path, place: Path) -> list[str]:
    """The command of a clean virtual environment that holds the wheel and what it requires."""
    run([sys.executable, "-m", "venv", str(place)])
    pip = [str(place / "bin" / "python"), "-m", "pip"]
    run([*pip, "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), f"{wheel.resolve()}[cli]"])
    return [str(place / "bin" / "tallystick")]


def emulated(wheel: Path, place: Path) -> list[str]:
    """The command of an emulated Arm interpreter that finds the wheel and what it requires."""
    emulator = shlex.split(run(["sh", str(ROOT / "wheels" / "arm.sh")]))
    python = f"{emulator[2]}/usr/bin/python3"
    version = run([*emulator, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    wanted = [f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28)] + ["manylinux2014_aarch64"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), "--python-version", version]
    pip += ["--only-binary", ":all:", "--constraint", str(ROOT / "constraints.txt"), f"{wheel.resolve()}[cli]"]
    run([*pip, *(part for name in wanted for part in ("--platform", name))])
    return ["env", f"PYTHONPATH={place}", *emulator, python, "-m", "tallystick"]


def run(command: Sequence[str]) -> str:
    """Standard output of a command. Ends the run with its error if it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
