"""The examples run and say what they promise."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def test_the_library_example() -> None:
    done = subprocess.run([sys.executable, EXAMPLES / "library.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "outcomes: ['applied', 'applied', 'applied', 'duplicate', 'negative_stock']",
        "refused: 1",
        (
            "exception: negative_stock for wms/e4: send the receipt that is missing, or count the position and send "
            "stock.counted; tallystick trail SKU LOCATION shows what moved it. It settles itself"
        ),
        "ATP at SHOP-7: 5 of 10 on hand",
        "on hand in all: 130.5",
        "from four threads: ['160.5', '5', None]",
        "restored equals original: True at sequence 45",
    ]


def test_the_horizon_is_that_of_the_readme(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.horizon", str(tmp_path / "horizon.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == [
        "shop.answers: granted",
        "b2b.answers: granted",
        "today: 10; 30 of them: 2026-12-01",
        "because of 2026-11-26, when safety stock is 5",
    ]
    assert (tmp_path / "horizon.png").read_bytes().startswith(b"\x89PNG")
    page = (ROOT / "docs" / "atp.md").read_text()
    assert "30 | **10** |" in page
    assert "| 75 | **30** |" in page
