"""App: what is answered under which path. `/livez`, `/readyz`, `/metrics`."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from tallystick.http.gate import Gate
from tallystick.http.look import Daemon
from tallystick.http.metrics import Metrics

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

SCRAPE_S: Final = 10.0
"""How long a scrape may wait for the engine."""
SCRAPES_MAX: Final = 4
"""Scrapes that wait at the same time; beyond it they are turned away."""
BEGINS: Final = "it begins: the snapshot is restored, or the server is waited for"
STOPPING: Final = "it is stopping"


class Probes:
    """Answers about one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._metrics = Metrics(daemon)
        # One at a time, and not in the threads in which questions are answered.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._scrapes = 0

    def close(self) -> None:
        """Ends without waiting for a scrape."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def live(self, _request: "Request") -> "Response":
        """Whether the process should go on: that the event loop answers, and the engine found no fault in itself."""
        from starlette.responses import PlainTextResponse

        if self._daemon.is_sound:
            return PlainTextResponse("alive\n")
        return PlainTextResponse("the engine found a fault in itself; start again\n", 503)

    async def ready(self, request: "Request") -> "Response":
        """Whether anybody should rely on it now, and if not, why."""
        from starlette.responses import JSONResponse, PlainTextResponse

        status, now = self._daemon.status(), time.time()
        ends = self._daemon.is_stopping
        reasons = status.why_not_ready(now) if status is not None else [STOPPING if ends else BEGINS]
        code = 503 if reasons else 200
        if "application/json" in request.headers.get("accept", ""):
            state = status.state(now) if status is not None else "stopping" if ends else "beginning"
            return JSONResponse({"state": state, "ready": not reasons, "not_ready": reasons}, code)
        return PlainTextResponse("".join(f"{reason}\n" for reason in reasons) or "ready\n", code)

    async def metrics(self, request: "Request") -> "Response":
        """All metrics, in the format that is asked for."""
        from starlette.responses import PlainTextResponse, Response

        if self._scrapes >= SCRAPES_MAX:
            return PlainTextResponse("too many scrapes at once\n", 503)
        self._scrapes += 1
        accept = request.headers.get("accept", "")
        # In a thread: what the engine tells, it tells between two batches.
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._metrics.text, accept)
        try:
            text, content_type = await asyncio.wait_for(work, SCRAPE_S)
        except TimeoutError:
            return PlainTextResponse(f"the engine was busy for {SCRAPE_S:g} s\n", 503)
        finally:
            self._scrapes -= 1
        return Response(text, headers={"content-type": content_type})


def make_app(probes: Probes, token: bytes | None) -> "ASGIApp":
    """Returns the application behind its gate."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    routes: list[Any] = [
        Route("/livez", probes.live, methods=["GET"]),
        Route("/readyz", probes.ready, methods=["GET"]),
        Route("/metrics", probes.metrics, methods=["GET"]),
    ]
    return Gate(Starlette(routes=routes), token)
