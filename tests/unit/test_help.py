"""Help: every public member of the library has words, and each `repr` says what one wants to know."""

import inspect
from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any, Final

import pytest

import tallystick
from tallystick import Engine, Reference, _engine
from tallystick._engine import Inbox

EVENT: Final = {"id": "1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": "2.5"}


def public() -> Iterator[tuple[str, Any]]:
    """All names that the library offers, and all members of its classes."""
    for module in (tallystick, _engine):
        for name in module.__all__:
            found = getattr(module, name)
            if not callable(found):
                continue
            yield f"{module.__name__}.{name}", found
            if inspect.isclass(found):
                for member in vars(found):
                    value = getattr(found, member)
                    # Constants, and slots of data classes, whose words stand beside them in the source.
                    if not member.startswith("_") and not isinstance(value, int | str | MemberDescriptorType):
                        yield f"{module.__name__}.{name}.{member}", value


def is_field(value: object) -> bool:
    """A property says what it is; what is called shows how, too."""
    return inspect.isdatadescriptor(value) or isinstance(value, property)


MEMBERS: Final = dict(public())


def test_all_members_are_looked_at() -> None:
    assert {"tallystick.Engine.apply", "tallystick.Position.atp", "tallystick._engine.Inbox.feed"} <= MEMBERS.keys()
    assert len(MEMBERS) > 250


def test_no_member_is_without_words() -> None:
    assert [name for name, value in MEMBERS.items() if len((value.__doc__ or "").strip()) < 10] == []


def test_every_call_shows_an_example() -> None:
    calls = {name: value for name, value in MEMBERS.items() if not is_field(value)}
    shown = [name for name, value in calls.items() if ">>> " not in (value.__doc__ or "")]
    # What needs a daemon is shown in docs/client.md, which tests/integration/test_client_page.py runs.
    shown = [name for name in shown if not name.startswith("tallystick.Client.")]
    # Faults of the engine itself, and what a data class or an enum shows as a whole.
    assert {name.rpartition("tallystick.")[2] for name in shown} <= {
        "EngineFault",
        "ForkError",
        "_engine.EngineFault",
        "_engine.ForkError",
        "WorkItem.of",
    }


@pytest.mark.parametrize("name", [name for name, value in MEMBERS.items() if name.startswith("tallystick._engine")])
def test_quantities_and_times_name_their_unit(name: str) -> None:
    words = MEMBERS[name].__doc__ or ""
    if name.endswith("_thousandths") and "atp_figures" not in name:
        assert "thousandths of a unit" in words
    if name.endswith("_ns"):
        assert "nanoseconds since 1970" in words


def test_help_shows_signature_and_words() -> None:
    assert str(inspect.signature(Engine.apply)) == (
        "(self, /, messages, first_sequence=None, log_time_ns=None, *, log_time=None, event_times=False, "
        "hold_output=False, keys=False, subjects=None)"
    )
    assert "Raises `SequenceError`" in (Engine.apply.__doc__ or "")


def test_each_object_says_what_it_is() -> None:
    engine, inbox = Engine(), Inbox(4)
    batch = engine.apply(
        [EVENT, EVENT, {**EVENT, "id": "2", "type": "stock.sold", "sku": "it's", "lot": "7", "quantity": 3}], 4
    )
    assert repr(batch) == "Batch(events=3, sequences=4..6, applied=2, duplicate=1)"
    assert repr(engine) == "Engine(positions=2, sequence=6)"
    assert repr(engine.position("A", "L")) == "Position(sku='A', location='L', atp=2.5, on_hand=2.5, version=4)"
    assert repr(engine.position("it's", "L", "7")) == (
        "Position(sku=\"it's\", location='L', lot='7', atp=-3, on_hand=-3, version=6)"
    )
    assert repr(engine.columns()) == "Positions(rows=2)"
    assert repr(engine.apply([])) == "Batch(events=0)"
    [exception] = batch.exceptions
    assert repr(exception).startswith("ExceptionRecord(number=1, code='negative_stock', sequence=6, index=0, cause='")
    engine.apply([{}], hold_output=True)
    assert repr(engine.flush("S")) == "Flush(from_sequence=0, through=7, positions=0, messages=1)"
    assert inbox.push(4, 0, b"{}")
    assert repr(inbox) == "Inbox(expected=5, waiting_messages=1, waiting_bytes=2)"
    assert repr(inbox.take()) == "InboxBatch(first_sequence=4, last_sequence=4)"
    assert repr(engine.apply_inbox(inbox)) == "Applied(events=0, last_sequence=None)"
    assert repr(Reference()) == "Reference(positions=0)"
