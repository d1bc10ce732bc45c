"""Blocking: the client for code without an event loop: Flask, Django, Celery, a script, from any number of threads.

One thread of its own runs the event loop and the one connection; whoever calls waits for the answer. What can be asked
is what `client` says, and nothing else.
"""

import asyncio
import concurrent.futures
import functools
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, Self, TypeVar

from tallystick.client import client, exceptions
from tallystick.client.wire import TIMEOUT_S, check_process
from tallystick.errors import OperationError

if TYPE_CHECKING:
    from tallystick.config import Config

P = ParamSpec("P")
Result = TypeVar("Result")
Inner_co = TypeVar("Inner_co", covariant=True)
_GOODBYE_S: Final = 5.0


class _Waiting(Protocol[Inner_co]):
    """Something with an object for asyncio inside, and a way to wait for it."""

    @property
    def _inner(self) -> Inner_co: ...

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result: ...


def _blocking(
    method: Callable[Concatenate[Inner_co, P], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[_Waiting[Inner_co], P], Result]:
    """The method of the client for asyncio as one that waits."""

    @functools.wraps(method)
    def call(self: _Waiting[Inner_co], /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return self._wait(method(self._inner, *args, **kwargs))

    return call


class Exceptions:
    """`Client.exceptions`: each method is named as the command is, `tallystick exceptions list` and so on."""

    def __init__(self, owner: "Client") -> None:
        self._owner = weakref.proxy(owner)

    @property
    def _inner(self) -> exceptions.Exceptions:
        inner: client.Client = self._owner._inner  # noqa: SLF001 (one module, one object in two halves)
        return inner.exceptions

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        found: Result = self._owner._wait(work)  # noqa: SLF001
        return found

    list = _blocking(exceptions.Exceptions.list)
    show = _blocking(exceptions.Exceptions.show)
    stats = _blocking(exceptions.Exceptions.stats)
    history = _blocking(exceptions.Exceptions.history)
    ack = _blocking(exceptions.Exceptions.ack)
    resolve = _blocking(exceptions.Exceptions.resolve)
    discard = _blocking(exceptions.Exceptions.discard)
    approve = _blocking(exceptions.Exceptions.approve)
    deny = _blocking(exceptions.Exceptions.deny)
    assign = _blocking(exceptions.Exceptions.assign)
    repair = _blocking(exceptions.Exceptions.repair)


class Client:
    """The daemon over NATS: `with Client("nats://…") as client: client.atp("LAMP")`. Threads may share it.

    `url` is the server, or several with commas; `config` the path of a configuration file, from which it takes [nats]
    and the subject of [input]; each setting of [nats] may also be a keyword: `user`, `password_file`, `credentials`,
    `tls_ca` and the others. `timeout_s` bounds each call. It connects with its first call, and reconnects by itself.
    A process that forks makes it before and uses it in the children alone, or makes it there: else `ForkError`.

    >>> client = Client("nats://127.0.0.1:4222", user="shop", password_file="secret", timeout_s=2)
    >>> client.close()
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        config: "Path | str | Config | None" = None,
        timeout_s: float = TIMEOUT_S,
        **nats: str | float | Path,
    ) -> None:
        """Reads the settings, and connects to nobody yet. Raises ConfigurationError."""
        self._inner = client.Client(url, config=config, timeout_s=timeout_s, **nats)
        self.exceptions = Exceptions(self)
        """What is out of order, and what to do about it."""
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: int | None = None
        self._is_closed = False
        self._end: weakref.finalize[..., Client] | None = None

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> Self:
        """Connects now, and not with the first call. Raises BusError within `timeout_s`."""
        self._wait(self._inner.connect())
        return self

    def close(self) -> None:
        """Closes the connection for good; calls that wait end. In a child of `os.fork()` it is left to the parent."""
        self._is_closed = True
        if self._end is not None:
            self._end()

    atp = _blocking(client.Client.atp)
    promise = _blocking(client.Client.promise)
    reserve = _blocking(client.Client.reserve)
    post = _blocking(client.Client.post)
    void = _blocking(client.Client.void)
    change = _blocking(client.Client.change)
    reservations = _blocking(client.Client.reservations)
    claims = _blocking(client.Client.claims)
    replenish = _blocking(client.Client.replenish)
    sources = _blocking(client.Client.sources)
    trail = _blocking(client.Client.trail)
    status = _blocking(client.Client.status)
    what_if = _blocking(client.Client.what_if)
    publish = _blocking(client.Client.publish)
    answers = _blocking(client.Client.answers)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs it in the loop's thread, and waits for it. Who is interrupted meanwhile takes it back."""
        try:
            check_process(self._process)
            future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise OperationError("this client was closed meanwhile; make a new one") from None
        finally:
            future.cancel()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        # Before the lock is taken: a child that is forked meanwhile must be told, and not wait for it.
        self._process = self._process or os.getpid()
        with self._starting:
            if self._is_closed:
                raise OperationError("this client was closed; make a new one")
            if self._loop is None:
                self._loop = _new_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="tallystick-client", daemon=True)
                thread.start()
                # It runs at the latest when the interpreter ends.
                self._end = weakref.finalize(self, _end, self._loop, thread, self._inner, self._process)
            return self._loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows has none.
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, inner: client.Client, process: int) -> None:
    """Closes the connection, ends what still waits, and the thread with it."""
    if process != os.getpid() or not thread.is_alive():
        return

    async def finish() -> None:
        await inner.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(_: object) -> None:
        loop.call_soon_threadsafe(loop.stop)

    asyncio.run_coroutine_threadsafe(finish(), loop).add_done_callback(stop)
    if thread is not threading.current_thread():
        thread.join(_GOODBYE_S)
        if not thread.is_alive():
            loop.close()
