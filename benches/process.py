"""Process: runs one measured function in an interpreter of its own, so that peak memory and caches are its own.

`python -m benches.process MODULE:FUNCTION` reads JSON arguments from standard input and prints a JSON row.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""What a measured function returns: figures by name, fit for JSON."""


class Unavailable(Exception):
    """Why something cannot be measured here: one line."""


def in_own_process(function: Callable[..., Row], *, package: Path | None = None, **arguments: Any) -> Row:
    """Calls a module-level function with JSON arguments. Ends the run with one line if it fails.

    `package` is a folder with another build of `tallystick`, to be imported in place of the installed one.
    """
    target = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", "benches.process", target]
    environment = os.environ | ({"PYTHONPATH": str(package)} if package else {})
    done = subprocess.run(
        command, input=json.dumps(arguments), stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    if done.returncode == -signal.SIGKILL:
        sys.exit(f"benches: {target} was killed; is there enough memory?")
    if done.returncode != 0:
        sys.exit(f"benches: {target} failed, see above")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    row = getattr(importlib.import_module(module), name)(**json.load(sys.stdin))
    print(json.dumps(row))


if __name__ == "__main__":
    _main()
