"""The connection to the NATS server: made from the configuration, kept for ever, its failures told in one line.

It knows nothing of streams; see `jetstream`.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from tallystick.bus.embedded import VERSION_LEAST, version_text
from tallystick.bus.link import REFUSED_FOR_S, WAIT_LEAST_S, Link, text_of
from tallystick.bus.ways_in import WaysIn
from tallystick.config import Nats
from tallystick.errors import BusError

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tallystick.bus.patient_client import PatientClient

PING_INTERVAL_S: Final = 5
_CANCEL_AGAIN_S: Final = 0.5


async def connect(settings: Nats) -> "PatientClient":
    """Returns a connected client, which from then on reconnects by itself.

    Without limit, but where the server refuses who we are: after `REFUSED_FOR_S` of that it is closed for good. Raises
    BusError when there is no connection within `connect_timeout_s`, or the server is too old.
    """
    from nats.errors import Error

    from tallystick.bus.patient_client import PatientClient

    link, ways_in = Link(settings.shown), WaysIn(settings)
    client = PatientClient(link, ways_in, settings.jetstream_domain)
    connecting = asyncio.ensure_future(
        client.connect(
            settings.servers,
            **ways_in.options(),
            name=settings.name,
            inbox_prefix=settings.inbox_prefix,
            error_cb=client.note_error,
            reconnected_cb=client.note_reconnect,
            connect_timeout=max(1, int(settings.connect_timeout_s)),  # nats-py asks for an int.
            ping_interval=PING_INTERVAL_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=WAIT_LEAST_S,  # type: ignore[arg-type]  # any number of seconds does
        )
    )
    try:
        await asyncio.wait((connecting,), timeout=settings.connect_timeout_s)
    finally:
        if not connecting.done():
            await _end(connecting)
            await client.close()
    try:
        connecting.result()
    except asyncio.CancelledError:
        raise _not_reached(settings, link) from None
    except (Error, ValueError, ImportError) as error:  # Of an address, or of websockets without their package.
        await client.close()
        raise BusError(f"no connection to {settings.shown}: {text_of(error)}; set nats.url") from None
    _check_version(client)
    return client


def closed_for_good(client: "Client | None" = None) -> BusError:
    """Returns what to raise when the client is closed though nobody asked for it."""
    link: Link | None = getattr(client, "link", None)
    if link is None or not link.is_given_up:
        return BusError("the server closed the connection for good; check its log and the ways in of [nats]")
    return BusError(
        f"the server has refused this client for {REFUSED_FOR_S:g} s: {link.reason}; "
        "set user and password, token, credentials or TLS files in [nats], then start again: nothing is lost"
    )


def denial(client: "Client", subject: str) -> str | None:
    """Returns a line about a permission that the server denied on this connection; None if it did not."""
    link: Link | None = getattr(client, "link", None)
    if link is None or subject.lower() not in link.denied:
        return None
    return f"the server denies this user {subject}; permit it there (docs/security.md), or change the user in [nats]"


def take_denial(client: "Client", subject: str) -> str | None:
    """Returns the server's words about such a permission, and forgets them: if it still denies it, it says so again."""
    link: Link | None = getattr(client, "link", None)
    return link.denied.pop(subject.lower(), None) if link is not None else None


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancels a task until it is done: Python 3.11 forgets a cancellation that comes together with an answer."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)


def _not_reached(settings: Nats, link: Link) -> BusError:
    reason, cure = (
        link.reason or "",
        "start the server there (a nats-server, or a daemon with its own: tallystick run --embedded), or set nats.url",
    )
    text = reason.lower()
    if "authoriz" in text or "authentic" in text:
        cure = "set user and password, token, nkey seed or credentials in [nats]"
    elif "certificate" in text or "tls" in text:
        cure = "check tls_ca, tls_certificate, tls_key and the name in nats.url"
    elif "maximum" in text:
        cure = "raise max_connections of the server or of the account"
    return BusError(
        f"no connection to {settings.shown} within {round(settings.connect_timeout_s, 1):g} s"
        f"{f': {reason}' if reason else ''}; {cure}"
    )


def _check_version(client: "Client") -> None:
    server = client.connected_server_version
    version = (server.major, server.minor, server.patch)
    if version < VERSION_LEAST:
        raise BusError(
            f"nats-server {version_text(version)} is too old to keep what it acknowledges; "
            f"upgrade it to {version_text(VERSION_LEAST)} or newer"
        )
