"""The examples run and say what they promise."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_library_example() -> None:
    done = subprocess.run([sys.executable, EXAMPLES / "library.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2:] == [
        "ATP at SHOP-7: 5 of 10 on hand",
        "on hand in all: 130.5",
        "from four threads: [Decimal('120.5'), Decimal('5'), None]",
        "restored equals original: True at sequence 5",
    ]
    assert "'applied': 3, 'duplicate': 1, 'negative_stock': 1" in done.stdout
    assert "exception: negative_stock for wms/e4" in done.stdout
