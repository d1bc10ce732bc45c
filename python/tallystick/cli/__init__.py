"""Command line: turns arguments into calls and results into text. It alone ends the process.

Needs the extra `cli` (typer and rich); without it there is a short usage and a hint how to install it.
"""

import os
import signal
import sys
from collections.abc import Sequence

USAGE = """\
Usage: tallystick COMMAND [OPTIONS]

  Tallystick turns inventory events into one ledger that can be trusted.

  demo       a year of real sales through bus, daemon and proof
  run        the daemon: events on the bus become balances and ATP
  replay     the same engine over files of events
  publish    puts a file of events onto the event stream
  check      says what of a file would be refused
  schema     prints what producers may send
  atp        asks the daemon what can be promised, and when
  reserve    asks for a promise that holds
  post       takes what reservations hold
  void       gives back what reservations hold
  change     lets a reservation hold more, less, or longer
  reservations  who holds what
  claims     what order lines claim, and who says so
  replenish  what is to be ordered, and why
  exceptions what is wrong, and what to do about it
  trace      what became of everything under a correlation id
  trail      what a position's stock is made of
  sources    who speaks, how well, and how late
  policy     changes what holds from now on, or tries it first
  config     checks or shows a configuration
  version    prints the versions in use

The command line needs two more packages:  pip install 'tallystick[cli]'
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its status (see `tallystick --help`)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["run"]:
        _end_quietly_until_it_begins()
    try:
        from tallystick.cli.app import execute
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(_without_extra(arguments))
    sys.exit(execute(arguments))


def _end_quietly_until_it_begins() -> None:
    """A daemon that is told to stop while its modules are loaded has nothing to save: it is a stop as any other."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(0))


def _without_extra(arguments: Sequence[str]) -> int:
    if not arguments or "--help" in arguments:
        print(USAGE, end="")
        return 0
    print("tallystick: the command line is not installed; pip install 'tallystick[cli]'", file=sys.stderr)
    return 2
