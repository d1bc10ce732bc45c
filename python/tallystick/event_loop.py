"""Event loop: the one that commands and daemon run on: uvloop where it exists, else asyncio's own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs `work` in a new event loop and returns its result. Raises what it raises."""
    try:
        import uvloop
    except ImportError:  # Windows has none.
        return asyncio.run(work)
    return uvloop.run(work)
