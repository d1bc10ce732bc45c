"""Daemons: who writes to the outputs, how it is, and whether one runs that does not answer."""

import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import denial
from tallystick.bus.questions import STATUS_SUBJECT
from tallystick.config import Config
from tallystick.daemon import rivals
from tallystick.daemon.snapshots import holder_of
from tallystick.doctor.asking import ASK_S, Asked, ask
from tallystick.doctor.finding import Finding, fail, ok, skip, skip_denied, warn

if TYPE_CHECKING:
    from nats.aio.client import Client

_NEARLY: Final = 0.9
"""Open files that are used up to this are told of."""


async def examine(client: "Client", config: Config) -> AsyncIterator[Finding]:
    """Yields what is found about daemons that write to the configured outputs."""
    found = await _writers(client, config)
    denied = denial(client, rivals.INFO_SUBJECT)
    if denied is not None:
        yield skip_denied("daemon", "who writes to the outputs is not told", denied)
    elif not found:
        finding, found = await _without_answer(client, config)
        if finding is not None:
            yield finding
            return
    who = ", ".join(f"process {one.get('process')} on {one.get('host')} since {one.get('started')}" for one in found)
    if len(found) > 1:
        yield fail("daemon", f"{len(found)} write to the same output streams: {who}", "stop all but one")
    asked = await ask(client, STATUS_SUBJECT)
    yield _state(who, asked)
    if asked.answer is not None and asked.answer.get("config_fingerprint", config.fingerprint) != config.fingerprint:
        yield warn(
            "configuration",
            "the daemon runs under other settings that change results than this file has",
            "give the daemon's own file with --config; the log may have changed some: tallystick policy",
        )
    for one in found:
        if one.get("host") == socket.gethostname() and (limits := _open_files(str(one.get("process")))):
            yield limits


async def _writers(client: "Client", config: Config, listen_s: float = rivals.LISTEN_S) -> list[Mapping[str, Any]]:
    """What the daemons tell of themselves that write to the configured outputs."""
    own = {config.output.availability_stream, config.output.exceptions_stream}
    return [
        about["metadata"]
        for about in await rivals.services(client, listen_s)
        if own & set(str((about.get("metadata") or {}).get("outputs", "")).split(","))
    ]


async def _without_answer(client: "Client", config: Config) -> tuple[Finding | None, list[Mapping[str, Any]]]:
    """What it means that none answered soon. One may run all the same, as its folder shows: it is given more time."""
    folder = config.snapshots.folder
    try:
        holder = holder_of(folder)
    except OSError as error:
        text = f"none answers; whether one uses {folder} cannot be seen: {error.strerror}"
        return skip("daemon", text, "run this as the daemon's user"), []
    if holder is None:
        return ok("daemon", "none answers here; start one with: tallystick run"), []
    if found := await _writers(client, config, ASK_S):
        return None, found
    text = f"{holder} uses {folder} and does not answer: it begins, ends or hangs, or has no connection"
    return fail("daemon", text, "look at its log; if it says nothing more, kill it and start it again"), []


def _state(who: str, asked: Asked) -> Finding:
    """How it is. An empty `who`: it was not told whether there is one, and an answer is the first sign of it."""
    status = asked.answer
    if asked.denied is not None:
        return skip_denied("daemon", f"{who}; its state is not told" if who else "its state is not told", asked.denied)
    if status is None or "ready" not in status:
        text = f"{who or 'if there is one'}: it told no status within {ASK_S:g} s"
        if not who:
            return skip("daemon", text, "run this as the daemon's user")
        return fail("daemon", text, "look at its log; if it says nothing more, kill it and start it again")
    who = who or "one answers here"
    if not status["ready"]:
        return fail("daemon", f"{who}: {'; '.join(status['not_ready'])}", "tallystick status says what to do")
    return ok("daemon", f"{who}: {status['headline']}")


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
