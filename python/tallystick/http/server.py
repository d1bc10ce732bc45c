"""Server: uvicorn in the daemon's event loop, at one address, within limits. It knows no path; see `app`.

It takes no signals: those are the daemon's.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tallystick.config import Http
from tallystick.errors import ConfigurationError, UsageError
from tallystick.http.look import Daemon
from tallystick.listen import Address

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

_STOP_S: Final = 0.5
"""How long a stop waits for answers that are under way."""
_log: Final = logging.getLogger(__name__)


@asynccontextmanager
async def serving(settings: Http, daemon: Daemon) -> AsyncIterator[None]:
    """Answers over HTTP as long as the context lasts; without `http.listen`, does nothing.

    Raises UsageError if the port is taken, ConfigurationError if token or TLS files cannot be used.
    """
    if settings.listen is None:
        yield
        return
    from tallystick.http.app import Probes, make_app
    from tallystick.http.gate import token_of

    probes = Probes(daemon)
    try:
        app = make_app(probes, token_of(settings))
        listener = _listen(Address.parse(settings.listen))
        try:
            server = _make_server(settings, app)
        except BaseException:
            listener.close()
            raise
        async with _running(server, listener):
            scheme = "https" if settings.tls_certificate is not None else "http"
            _log.info("listening at %s://%s", scheme, settings.listen)
            yield
    finally:
        probes.close()


@asynccontextmanager
async def _running(server: "uvicorn.Server", listener: socket.socket) -> AsyncIterator[None]:
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn sets a flag)
            await asyncio.sleep(0.005)
        if task.done():
            task.result()
        yield
    finally:
        server.should_exit = True
        if not (await asyncio.wait((task,), timeout=_STOP_S))[0]:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # What was judged is this address, and no other family's.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address.host, address.port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"http.listen = {address}: {reason}; end what uses it, or set another address") from error
    return listener


def _make_server(settings: Http, app: "ASGIApp") -> "uvicorn.Server":
    import uvicorn

    from tallystick.http.bounded import CONNECTIONS_MAX, REQUEST_S, Bounded, Unsignalled
    from tallystick.http.gate import HEADER_BYTES_MAX

    config = uvicorn.Config(
        app,
        http=Bounded,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",  # Whoever sends no HTTP is no matter for the daemon's log.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX + 1,  # Uvicorn refuses from this number on.
        backlog=CONNECTIONS_MAX,
        timeout_keep_alive=int(REQUEST_S),
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
    )
    config.load()
    # Uvicorn reads PEM files too, but asks on the terminal for the password of an encrypted key.
    config.ssl = _tls(settings)
    return Unsignalled(config)


def _tls(settings: Http) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=_no_password)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError too
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"TLS files of [http] cannot be used: {reason}; check tls_certificate, tls_key and tls_client_ca"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; decrypt it into a file of mode 600")
