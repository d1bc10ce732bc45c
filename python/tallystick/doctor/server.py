"""Server: what a running nats-server says of itself, of this user, of the streams, and of daemons that answer."""

import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import denial
from tallystick.bus.jetstream import ApiError, JetStream, StreamInfo
from tallystick.bus.questions import STATUS_SUBJECT
from tallystick.bus.streams import LogPosition, check_position, faults
from tallystick.config import Config
from tallystick.daemon import rivals
from tallystick.daemon.snapshots import Snapshot
from tallystick.doctor.files import megabytes
from tallystick.doctor.finding import Finding, fail, of_error, ok, warn
from tallystick.doctor.permissions import denied
from tallystick.errors import BusError, OperationError

if TYPE_CHECKING:
    from nats.aio.client import Client

ASK_S: Final = 2.0
CLOCK_WARN_S: Final = 1.0
CLOCK_FAIL_S: Final = 60.0
_NEARLY: Final = 0.9
"""A limit that is used up to this is told of."""


async def examine(client: "Client", config: Config, snapshots: list[Snapshot]) -> AsyncIterator[Finding]:
    """Yields what is found over a connection. Each check is by itself: one that fails hides no other."""
    version = client.connected_server_version
    yield ok("server", f"nats-server {version.major}.{version.minor}.{version.patch} at {config.nats.shown}")
    began = time.time()
    about = await _ask(client, "$SYS.REQ.USER.INFO")
    yield _permissions(about, config)
    yield _clock(about, began, time.time())
    yield await _sync(client)
    bus = JetStream(client, patience_s=ASK_S)
    try:
        yield _account(await bus.request("INFO"))
    except (BusError, ApiError) as error:
        if denial(client, bus.subject("INFO")) is None:
            yield of_error("jetstream", error)
            return
        yield ok("jetstream", "the account's limits are not told to this user")
    async for finding in _streams(bus, config, snapshots):
        yield finding
    async for finding in _daemons(client, config):
        yield finding


async def _ask(client: "Client", subject: str, payload: bytes = b"") -> dict[str, Any] | None:
    from nats.errors import Error

    try:
        answer = await client.request(subject, payload, ASK_S)
        found = json.loads(answer.data)
    except (Error, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _permissions(about: Mapping[str, Any] | None, config: Config) -> Finding:
    if about is None or not isinstance(about.get("data"), dict):
        return ok("credentials", "let in; what this user may do is not told to it")
    user = about["data"]
    who = f"user {user.get('user') or '(none)'} of account {user.get('account')}"
    lacking = list(denied(user.get("permissions") or {}, config))
    if lacking:
        return fail(
            "credentials",
            f"{who} may not {'; '.join(lacking)}",
            "permit it in the server's configuration; docs/operations.md has the whole list",
        )
    return ok("credentials", f"{who} may do all that the daemon needs")


def _clock(about: Mapping[str, Any] | None, began: float, ended: float) -> Finding:
    told = ((about or {}).get("server") or {}).get("time")
    if not isinstance(told, str):
        return ok("clock", "the server does not tell its time to this user")
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
    told = await _ask_soon(client, "$SYS.REQ.SERVER.PING.JSZ")
    settings = ((told or {}).get("data") or {}).get("config")
    if not isinstance(settings, dict):
        return ok("sync", 'told to the system account alone; see that the server has sync_interval = "always"')
    if settings.get("sync_always"):
        return ok("sync", "the server makes each message durable before it acknowledges it")
    seconds = int(settings.get("sync_interval", 0)) / 1e9
    return warn(
        "sync",
        f"the server syncs every {seconds:g} s: a power cut takes back what it acknowledged since",
        'set sync_interval = "always" in its jetstream block, or keep three replicas',
    )


async def _ask_soon(client: "Client", subject: str) -> dict[str, Any] | None:
    """An answer that most users never get, so it is not waited for long."""
    from nats.errors import Error

    try:
        found = json.loads((await client.request(subject, b"", 0.5)).data)
    except (Error, ValueError):
        return None
    return found if isinstance(found, dict) else None


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


async def _daemons(client: "Client", config: Config) -> AsyncIterator[Finding]:
    own = {config.output.availability_stream, config.output.exceptions_stream}
    found = [
        about["metadata"]
        for about in await rivals.services(client)
        if own & set(str((about.get("metadata") or {}).get("outputs", "")).split(","))
    ]
    if not found:
        yield ok("daemon", "none answers here; start one with: tallystick run")
        return
    who = ", ".join(f"process {one.get('process')} on {one.get('host')} since {one.get('started')}" for one in found)
    if len(found) > 1:
        yield fail("daemon", f"{len(found)} write to the same output streams: {who}", "stop all but one")
    status = await _ask(client, STATUS_SUBJECT)
    if status is None:
        yield fail("daemon", f"{who}: it does not tell its status", "look at its log, and start it again")
    elif not status["ready"]:
        yield fail("daemon", f"{who}: {'; '.join(status['not_ready'])}", "tallystick status says what to do")
    else:
        yield ok("daemon", f"{who}: {status['headline']}")
    if status is not None and status["config_fingerprint"] != config.fingerprint:
        yield warn(
            "configuration",
            "the daemon runs under other settings that change results than this file has",
            "give the daemon's own file with --config; the log may have changed some: tallystick policy",
        )
    for one in found:
        if one.get("host") == socket.gethostname() and (finding := _open_files(str(one.get("process")))):
            yield finding


def _open_files(process: str) -> Finding | None:
    folder = Path("/proc") / process
    try:
        used = sum(1 for _ in (folder / "fd").iterdir())
        line = next(line for line in (folder / "limits").read_text().splitlines() if line.startswith("Max open files"))
    except (OSError, StopIteration):
        return None
    most = line.split()[3]
    text = f"the daemon has {used} files open, and may have {most}"
    if most.isdecimal() and used >= _NEARLY * int(most):
        return fail("limits", text, "raise LimitNOFILE= of the unit, and start it again")
    return ok("limits", text)
