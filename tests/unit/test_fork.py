"""A child of `os.fork()` is told what is wrong, in place of a call that never returns (Celery forks its workers)."""

import os
import subprocess
import sys

import pytest

STORY = """
import os, sys, threading, time
import tallystick

engine = tallystick.Engine()
event = b'{"id":"%d","source":"wms","type":"stock.received","sku":"A","location":"L","quantity":1}'
engine.apply([event % 0], 1, 0)

def keep_on():
    for number in range(1, 10_000_000):
        engine.apply([event % (number * 500 + n) for n in range(500)], engine.sequence + 1, 0)

threading.Thread(target=keep_on, daemon=True).start()
time.sleep(0.1)
positions = engine.positions([("A", "L")])
for _ in range(8):
    child = os.fork()
    if child == 0:
        try:
            {call}
            os._exit(1)
        except tallystick.ForkError as error:
            assert isinstance(error, tallystick.TallystickError)
            assert "made before os.fork()" in str(error) and "worker_process_init" in str(error), error
        del engine, positions  # waits for nobody
        own = tallystick.Engine()
        own.apply([event % 1], 1, 0)
        os._exit(0 if own.position("A", "L").on_hand == 1 else 2)
    assert os.waitpid(child, 0)[1] == 0
print("all", engine.position("A", "L").on_hand > 0)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(
    "call",
    [
        'engine.position("A", "L")',
        "engine.apply([event % 1], 1, 0)",
        "engine.snapshot()",
        "engine.state_hash()",
    ],
)
def test_a_child_of_a_fork_is_told(call: str) -> None:
    story = STORY.replace("{call}", call)
    done = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "all True\n"), done.stderr
