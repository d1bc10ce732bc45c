"""Server: what a running nats-server says of itself, of this user, and of the streams."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import denial
from tallystick.bus.jetstream import ApiError, JetStream, StreamInfo
from tallystick.bus.streams import LogPosition, check_position, faults
from tallystick.config import Config
from tallystick.daemon.snapshots import Snapshot
from tallystick.doctor.asking import ASK_S, Asked, ask
from tallystick.doctor.files import megabytes
from tallystick.doctor.finding import Finding, fail, of_error, ok, skip, skip_denied, warn
from tallystick.doctor.permissions import denied
from tallystick.errors import BusError, OperationError

if TYPE_CHECKING:
    from nats.aio.client import Client

CLOCK_WARN_S: Final = 1.0
CLOCK_FAIL_S: Final = 60.0
_SYNC_S: Final = 0.5
"""How long an answer is waited for that most users never get."""
_NEARLY: Final = 0.9
"""A limit that is used up to this is told of."""


async def examine(client: "Client", config: Config, snapshots: list[Snapshot]) -> AsyncIterator[Finding]:
    """Yields what is found over a connection. Each check is by itself: one that fails hides no other."""
    version = client.connected_server_version
    yield ok("server", f"nats-server {version.major}.{version.minor}.{version.patch} at {config.nats.shown}")
    began = time.time()
    about = await ask(client, "$SYS.REQ.USER.INFO")
    yield _permissions(about, config)
    yield _clock(about, began, time.time())
    yield await _sync(client)
    bus = JetStream(client, patience_s=ASK_S)
    try:
        yield _account(await bus.request("INFO"))
    except (BusError, ApiError) as error:
        if (words := denial(client, bus.subject("INFO"))) is None:
            yield of_error("jetstream", error)
            return
        yield skip_denied("jetstream", "the account's limits are not told", words)
    async for finding in _streams(bus, config, snapshots):
        yield finding


def _permissions(asked: Asked, config: Config) -> Finding:
    if asked.denied is not None:
        return skip_denied("credentials", "let in; what this user may do is not told", asked.denied)
    if asked.answer is None or not isinstance(asked.answer.get("data"), dict):
        return skip("credentials", "let in; the server does not tell what this user may do", "ask it once more")
    user = asked.answer["data"]
    who = f"user {user.get('user') or '(none)'} of account {user.get('account')}"
    lacking = list(denied(user.get("permissions") or {}, config))
    if lacking:
        return fail(
            "credentials",
            f"{who} may not {'; '.join(lacking)}",
            "run this as the daemon's user, or permit it there (docs/security.md)",
        )
    return ok("credentials", f"{who} may do all that the daemon needs")


def _clock(asked: Asked, began: float, ended: float) -> Finding:
    told = ((asked.answer or {}).get("server") or {}).get("time")
    if not isinstance(told, str):
        return skip("clock", "the server does not tell its time", "permit this user $SYS.REQ.USER.INFO")
    # Python 3.11 reads no nanoseconds.
    whole, _, rest = told.partition(".")
    fraction = rest[:6].rstrip("Z")
    server = datetime.fromisoformat(f"{whole.rstrip('Z')}+00:00").timestamp() + float(f"0.{fraction or 0}")
    ahead_s = server - (began + ended) / 2
    text = f"the server's clock is {abs(ahead_s):.2f} s {'ahead of' if ahead_s > 0 else 'behind'} this host's"
    cure = "synchronise both clocks (chrony, systemd-timesyncd)"
    if abs(ahead_s) > CLOCK_FAIL_S:
        return fail("clock", text, cure)
    return warn("clock", text, cure) if abs(ahead_s) > CLOCK_WARN_S else ok("clock", text)


async def _sync(client: "Client") -> Finding:
    asked = await ask(client, "$SYS.REQ.SERVER.PING.JSZ", _SYNC_S)
    settings = ((asked.answer or {}).get("data") or {}).get("config")
    if not isinstance(settings, dict):
        text = "told to the system account alone"
        return skip("sync", text, 'see that the server has sync_interval = "always" in its jetstream block')
    if settings.get("sync_always"):
        return ok("sync", "the server makes each message durable before it acknowledges it")
    seconds = int(settings.get("sync_interval", 0)) / 1e9
    return warn(
        "sync",
        f"the server syncs every {seconds:g} s: a power cut takes back what it acknowledged since",
        'set sync_interval = "always" in its jetstream block, or keep three replicas',
    )


def _account(about: Mapping[str, Any]) -> Finding:
    limits, full = about.get("limits") or {}, []
    for name, used in (("storage", about.get("storage", 0)), ("streams", about.get("streams", 0))):
        most = int(limits.get(f"max_{name}", -1))
        if most > 0 and used >= _NEARLY * most:
            shown = f"{megabytes(used)} of {megabytes(most)}" if name == "storage" else f"{used} of {most}"
            full.append(f"{name}: {shown}")
    if full:
        return fail("jetstream", f"the account is nearly full: {', '.join(full)}", "raise its limits, or make room")
    return ok("jetstream", f"{megabytes(int(about.get('storage', 0)))} stored, within the account's limits")


async def _streams(bus: JetStream, config: Config, snapshots: list[Snapshot]) -> AsyncIterator[Finding]:
    names = (config.input.stream, config.output.availability_stream, config.output.exceptions_stream)
    for name in names:
        is_input = name == config.input.stream
        try:
            info = await bus.stream(name)
        except (BusError, ApiError) as error:
            yield of_error(f"stream {name}", error)
            continue
        for finding in _of_stream(name, info, is_input=is_input):
            yield finding
        if is_input and info is not None and snapshots:
            yield await _position(bus, snapshots[0])
            yield _retention(info, snapshots)
        elif is_input and info is None and snapshots:
            yield fail(
                f"stream {name}",
                f"there is none, and the snapshots have read {snapshots[0].sequence:,} messages of it",
                "bring the stream back from a backup, or point nats.url to the server that has it",
            )


def _of_stream(name: str, info: StreamInfo | None, *, is_input: bool) -> Iterator[Finding]:
    check = f"stream {name}"
    if info is None:
        yield ok(check, "not there yet; the daemon makes it")
        return
    told = faults(info, is_input=is_input)
    for fault, cure in told:
        yield fail(check, fault, cure)
    if not told:
        yield ok(check, f"messages {info.first_sequence:,} to {info.last_sequence:,}; its settings keep the promises")


async def _position(bus: JetStream, newest: Snapshot) -> Finding:
    notes = newest.facts["notes"]
    position = LogPosition(notes["input.stream"], notes["input.created"], newest.sequence, notes["input.digest"])
    try:
        await check_position(bus, position)
    except OperationError as error:
        return of_error("log", error)
    return ok("log", f"it is the one that the newest snapshot has read, up to message {newest.sequence:,}")


def _retention(info: StreamInfo, snapshots: list[Snapshot]) -> Finding:
    oldest = snapshots[-1]
    if info.first_sequence <= oldest.sequence + 1:
        return ok("retention", f"a replay from each of {len(snapshots)} snapshots is possible")
    usable = [one for one in snapshots if info.first_sequence <= one.sequence + 1]
    text = f"the stream begins at message {info.first_sequence:,}, after the snapshot of {oldest.sequence:,}"
    cure = "keep the stream back to the oldest snapshot: its loss may be noticed at the next start only"
    return warn("retention", text, cure) if usable else fail("retention", text, cure)
