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
    from tallystick.client.directives import (
        acknowledge,
        approve,
        assign,
        configure,
        correct,
        deny,
        discard,
        resolve,
        void,
    )
    from tallystick.client.promise import atp_figures
    from tallystick.client.work import WorkItem
    from tallystick.outcome import Outcome
    from tallystick.quantity import to_decimal, to_thousandths

    __version__: str

__all__ = [
    "OUTCOMES",
    "SCALE",
    "Batch",
    "ConfigError",
    "Engine",
    "EngineFault",
    "ExceptionRecord",
    "Flush",
    "ForkError",
    "Outcome",
    "Position",
    "Positions",
    "Reference",
    "SequenceError",
    "SnapshotError",
    "TallystickError",
    "WorkItem",
    "acknowledge",
    "approve",
    "assign",
    "atp_figures",
    "configure",
    "correct",
    "deny",
    "discard",
    "resolve",
    "to_decimal",
    "to_thousandths",
    "void",
]

_DIRECTIVES = ("acknowledge", "approve", "assign", "configure", "correct", "deny", "discard", "resolve", "void")
_HOMES = (
    dict.fromkeys(__all__, "tallystick._engine")
    | dict.fromkeys(_DIRECTIVES, "tallystick.client.directives")
    | {
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
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tallystick' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """The public names, whether they were used yet or not."""
    return sorted({*globals(), *__all__, "__version__"})
