"""Tallystick: one ledger of stock that can be trusted, from the inventory events of many systems.

>>> from tallystick import OUTCOMES, SCALE, Engine
>>> engine = Engine()
>>> event = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1", "quantity": "12.5"}
>>> batch = engine.apply([event, event])
>>> batch.outcomes.tolist() == [OUTCOMES["applied"], OUTCOMES["duplicate"]]
True
>>> position = engine.position("LAMP", "DC1")
>>> position.on_hand, position.on_hand_thousandths, SCALE
(Decimal('12.5'), 12500, 1000)

This module only names what the package offers. Everything is imported on first use, so that `import tallystick`
costs nothing and pulls in neither NumPy nor a NATS client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick._engine import (
        OUTCOMES,
        SCALE,
        Batch,
        ConfigError,
        Engine,
        EngineFault,
        ExceptionRecord,
        Flush,
        ForkError,
        Position,
        Positions,
        Reference,
        SequenceError,
        SnapshotError,
        TallystickError,
    )
    from tallystick.client.blocking import Client
    from tallystick.client.directives import (
        acknowledge,
        approve,
        assign,
        configure,
        correct_event,
        deny,
        discard,
        resolve,
        void_event,
    )
    from tallystick.client.promise import atp_figures
    from tallystick.client.work import WorkItem
    from tallystick.errors import (
        BusError,
        NoAnswer,
        NoDaemon,
        OperationError,
        PublishError,
        RequestRefused,
        StreamError,
        UsageError,
    )
    from tallystick.outcome import Outcome
    from tallystick.quantity import to_decimal, to_thousandths

    __version__: str

__all__ = [
    "OUTCOMES",
    "SCALE",
    "Batch",
    "BusError",
    "Client",
    "ConfigError",
    "Engine",
    "EngineFault",
    "ExceptionRecord",
    "Flush",
    "ForkError",
    "NoAnswer",
    "NoDaemon",
    "OperationError",
    "Outcome",
    "Position",
    "Positions",
    "PublishError",
    "Reference",
    "RequestRefused",
    "SequenceError",
    "SnapshotError",
    "StreamError",
    "TallystickError",
    "UsageError",
    "WorkItem",
    "acknowledge",
    "approve",
    "assign",
    "atp_figures",
    "configure",
    "correct_event",
    "deny",
    "discard",
    "resolve",
    "to_decimal",
    "to_thousandths",
    "void_event",
]

_DIRECTIVES = (
    "acknowledge",
    "approve",
    "assign",
    "configure",
    "correct_event",
    "deny",
    "discard",
    "resolve",
    "void_event",
)
_ERRORS = (
    "BusError",
    "NoAnswer",
    "NoDaemon",
    "OperationError",
    "PublishError",
    "RequestRefused",
    "StreamError",
    "UsageError",
)
_MODULES = ("aio", "promise", "records")
_HOMES = (
    dict.fromkeys(__all__, "tallystick._engine")
    | dict.fromkeys(_DIRECTIVES, "tallystick.client.directives")
    | dict.fromkeys(_ERRORS, "tallystick.errors")
    | {
        "Client": "tallystick.client.blocking",
        "Outcome": "tallystick.outcome",
        "WorkItem": "tallystick.client.work",
        "atp_figures": "tallystick.client.promise",
        "to_decimal": "tallystick.quantity",
        "to_thousandths": "tallystick.quantity",
    }
)


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name == "__version__":
        return import_module("importlib.metadata").version("tallystick")
    if name in _MODULES:
        return import_module(f"tallystick.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tallystick' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """The public names, whether they were used yet or not."""
    return sorted({*globals(), *__all__, *_MODULES, "__version__"})
