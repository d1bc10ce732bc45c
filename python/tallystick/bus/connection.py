"""The connection to the NATS server: made from the configuration, kept for ever, its failures told in one line.

It knows nothing of streams; see `jetstream`.
"""

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.embedded import VERSION_LEAST, version_text
from tallystick.config import Nats
from tallystick.errors import BusError

if TYPE_CHECKING:
    from nats.aio.client import Client

PING_INTERVAL_S: Final = 5
RECONNECT_WAIT_S: Final = 0.25
_log: Final = logging.getLogger(__name__)


async def connect(settings: Nats) -> "Client":
    """Returns a connected client, which from then on reconnects without limit by itself.

    It is closed for good only when the server refuses us from now on, as with credentials that expired. Raises BusError
    when there is no connection within `connect_timeout_s`, or the server is too old.
    """
    from tallystick.bus.patient_client import PatientClient

    client = PatientClient()
    last_error: list[str] = []

    async def note_error(error: Exception) -> None:
        text = str(error) or type(error).__name__
        if last_error[-1:] != [text]:
            # Permissions do not heal by themselves, and the client goes on without them as if nothing was.
            _log.log(logging.WARNING if "permissions violation" in text else logging.DEBUG, "%s", text)
        last_error[:] = [text]

    async def note_disconnect() -> None:
        if not client.is_closed:
            _log.warning("connection to %s lost; reconnecting", settings.shown)

    async def note_reconnect() -> None:
        _log.info("connected again to %s", settings.shown)

    try:
        await asyncio.wait_for(
            client.connect(
                settings.servers,
                **_ways_in(settings),
                name=settings.name,
                error_cb=note_error,
                disconnected_cb=note_disconnect,
                reconnected_cb=note_reconnect,
                connect_timeout=max(1, int(settings.connect_timeout_s)),  # nats-py asks for an int.
                ping_interval=PING_INTERVAL_S,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # any number of seconds does
            ),
            settings.connect_timeout_s,
        )
    except asyncio.CancelledError:
        await client.close()
        raise
    except TimeoutError as error:
        await client.close()
        reason = f": {last_error[0]}" if last_error else ""
        cure = "start a nats-server there, or set nats.url; with a server of its own: tallystick run --embedded"
        if "authorization" in reason.lower():
            cure = "set user and password, token or credentials in [nats]"
        raise BusError(
            f"no connection to {settings.shown} within {settings.connect_timeout_s:g} s{reason}; {cure}"
        ) from error
    _check_version(client)
    return client


def closed_for_good() -> BusError:
    """Returns what to raise when the client is closed though nobody asked for it."""
    return BusError("the server closed the connection for good; check its log and the ways in of [nats]")


def _check_version(client: "Client") -> None:
    server = client.connected_server_version
    version = (server.major, server.minor, server.patch)
    if version < VERSION_LEAST:
        raise BusError(
            f"nats-server {version_text(version)} is too old to keep what it acknowledges; "
            f"upgrade it to {version_text(VERSION_LEAST)} or newer"
        )


def _ways_in(settings: Nats) -> dict[str, Any]:
    """The options of `Client.connect` for authentication and encryption."""
    options: dict[str, Any] = {"user": settings.user, "password": settings.password, "token": settings.token}
    if settings.credentials is not None:
        try:
            import nkeys  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        except ImportError as error:
            raise BusError("nats.credentials needs the package nkeys; pip install 'nats-py[nkeys]'") from error
        if not settings.credentials.is_file():
            raise BusError(f"{settings.credentials}: no such file; set nats.credentials")
        options["user_credentials"] = str(settings.credentials)
    if settings.tls_ca is not None or settings.tls_certificate is not None:
        try:
            context = ssl.create_default_context(cafile=settings.tls_ca)
            if settings.tls_certificate is not None:
                context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        except OSError as error:  # ssl.SSLError is one too
            raise BusError(f"TLS files of [nats] cannot be used: {error}; check tls_ca and tls_certificate") from error
        options["tls"] = context
    return {name: value for name, value in options.items() if value is not None}
