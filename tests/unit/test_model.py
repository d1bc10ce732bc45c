"""The ledger against an independent model of the contract in a few lines of Python, on drawn events in any order."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import Engine, Reference

pytestmark = pytest.mark.slow

HOUR_NS = 3_600_000_000_000
NOW_NS = 1_767_600_000_000_000_000 + HOUR_NS
ACCOUNTS = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged")

# Type, optional status fields → (account, sign). `stock.counted` and the far leg of a dispatch stand in the model.
POSTINGS: dict[tuple[str, str | None, str | None], tuple[tuple[str, int], ...]] = {
    ("stock.received", None, None): (("on_hand", 1),),
    ("stock.received", None, "damaged"): (("damaged", 1),),
    ("stock.adjusted", None, None): (("on_hand", 1),),
    ("stock.counted", None, None): (),
    ("stock.moved", "on_hand", "quarantine"): (("on_hand", -1), ("quarantine", 1)),
    ("stock.moved", "quarantine", "on_hand"): (("quarantine", -1), ("on_hand", 1)),
    ("stock.reserved", None, None): (("reserved", 1),),
    ("stock.unreserved", None, None): (("reserved", -1),),
    ("stock.allocated", None, None): (("allocated", 1),),
    ("stock.allocated", "reserved", None): (("reserved", -1), ("allocated", 1)),
    ("stock.deallocated", None, None): (("allocated", -1),),
    ("stock.picked", None, None): (("on_hand", -1), ("picked", 1), ("allocated", -1)),
    ("stock.short_picked", None, None): (("allocated", -1),),
    ("stock.shipped", None, None): (("picked", -1),),
    ("stock.sold", None, None): (("on_hand", -1),),
    ("stock.returned", None, None): (("quarantine", 1),),
    ("stock.returned", None, "on_hand"): (("on_hand", 1),),
    ("transfer.dispatched", None, None): (("on_hand", -1),),
    ("transfer.received", None, None): (("in_transit", -1), ("on_hand", 1)),
}


@st.composite
def _event(draw: st.DrawFn, number: int) -> dict[str, Any]:
    kind, from_status, to_status = draw(st.sampled_from(list(POSTINGS)))
    event: dict[str, Any] = {"id": str(number), "source": draw(st.sampled_from(["erp", "wms"])), "type": kind}
    event |= {"sku": draw(st.sampled_from("AB")), "location": draw(st.sampled_from(["DC1", "DC2"]))}
    thousandths = draw(st.integers(0 if kind == "stock.counted" else 1, 20_000))
    if kind == "stock.adjusted" and draw(st.booleans()):
        thousandths = -thousandths
    event["quantity"] = str(Decimal(thousandths) / 1_000)
    # Few instants, so that many events meet at the same one.
    event["time"] = f"2026-01-05T08:{draw(st.integers(0, 9)):02}:00Z"
    optional = {"from_status": from_status, "to_status": to_status, "lot": draw(st.sampled_from([None, "L"]))}
    if kind == "transfer.dispatched":
        optional["to_location"] = draw(st.sampled_from(["DC1", "DC2"]))
    return event | {name: value for name, value in optional.items() if value is not None}


@st.composite
def _log(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Events, and the same events in two orders with duplicates."""
    events = [draw(_event(number)) for number in range(draw(st.integers(1, 40)))]
    orders = [draw(st.permutations(events)) + draw(st.lists(st.sampled_from(events), max_size=10)) for _ in range(2)]
    return events, orders


def _model(events: list[dict[str, Any]]) -> dict[tuple[str, str, str | None], dict[str, Decimal]]:
    counts: dict[Any, tuple[Any, Decimal]] = {}
    for event in events:
        if event["type"] == "stock.counted":
            place = (event["sku"], event["location"], event.get("lot"))
            latest = ((event["time"], event["source"], event["id"]), Decimal(event["quantity"]))
            counts[place] = max(counts.get(place, latest), latest)
    ledger: Any = defaultdict(lambda: dict.fromkeys(ACCOUNTS, Decimal(0)))
    for place, (_, quantity) in counts.items():
        ledger[place]["on_hand"] += quantity
    for event in events:
        place = (event["sku"], event["location"], event.get("lot"))
        for account, sign in POSTINGS[event["type"], event.get("from_status"), event.get("to_status")]:
            if account != "on_hand" or place not in counts or event["time"] > counts[place][0][0]:
                ledger[place][account] += sign * Decimal(event["quantity"])
        ledger[place]["on_hand"] += 0
        if event["type"] == "transfer.dispatched":
            ledger[event["sku"], event["to_location"], event.get("lot")]["in_transit"] += Decimal(event["quantity"])
    return dict(ledger)


def _balances(lines: bytes) -> dict[tuple[str, str, str | None], dict[str, Decimal]]:
    rows = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines.splitlines()]
    return {(row["sku"], row["location"], row.get("lot")): {name: row[name] for name in ACCOUNTS} for row in rows}


@settings(max_examples=300, deadline=None)
@given(_log())
def test_balances_are_those_of_the_model(log: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]) -> None:
    events, orders = log
    hashes = set()
    for order in orders:
        messages = [json.dumps(event).encode() for event in order]
        engine, reference = Engine(), Reference()
        batch = engine.apply(messages, 1, NOW_NS)
        reference.apply(messages, 1, NOW_NS)
        assert batch.counts.get("duplicate", 0) == len(order) - len(events)
        assert _balances(engine.balance_lines()) == _model(events)
        assert engine.balance_lines() == reference.balances()
        assert sum(engine.trial_balance_thousandths().values()) == 0
        hashes |= {engine.state_hash(), reference.state_hash()}
    assert len(hashes) == 1
