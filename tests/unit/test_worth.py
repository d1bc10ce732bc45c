"""Worth: what an exception says of how much it is about, so that what matters most is seen first."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tallystick import Engine

ITEM = {"id": "i", "source": "erp", "type": "item.defined", "sku": "PUMP", "unit_cost": "240"}
APPROVALS = "[approvals]\nmass_change_percent = 30\nmass_change_positions_min = 2\n"


def told(kind: str, number: int, quantity: Any, **more: Any) -> dict[str, Any]:
    event = {"id": f"{kind}{number}", "source": "wms", "type": f"stock.{kind}", "sku": f"S{number}", "location": "L"}
    return event | {"quantity": quantity} | more


def opened(engine: Engine) -> dict[str, Any]:
    (item,) = engine.exceptions()
    return dict(item)


@pytest.mark.parametrize(
    ("quantity", "at_stake", "value", "cause"),
    [
        ("5,000", 5000, 1_200_000, '`quantity`: "5,000" is no decimal number'),
        ("5.000,5 pcs", 5000.5, 1_200_120, '`quantity`: "5.000,5 pcs" is no decimal number'),
        ("some", None, None, '`quantity`: "some" is no decimal number'),
        (-5000, 5000, 1_200_000, "quantity -5000 of stock.received must be greater than zero"),
        (
            "1.23456",
            Decimal("1.234"),
            Decimal("296.16"),
            "quantity 1.23456 of stock.received has 5 fraction digits; at most 3 are kept",
        ),
        (1e30, None, None, "quantity 1e+30 of stock.received must be greater than zero, with at most 3 fraction"),
    ],
)
def test_a_refused_quantity_is_quoted_and_has_a_value(
    quantity: Any, at_stake: Decimal | float | None, value: Decimal | float | None, cause: str
) -> None:
    engine = Engine()
    engine.apply([ITEM, json.dumps(told("received", 1, quantity, sku="PUMP"))])
    item = opened(engine)
    assert (item.get("at_stake"), item.get("value")) == (at_stake, value)
    assert item["cause"].startswith(cause), item["cause"]
    assert "quantity" not in item or item["quantity"] == quantity, "what was sent is not what it may mean"


def test_one_decision_for_many_says_how_many_wait_and_what_they_would_take() -> None:
    """Ten positions of 10; five are counted at 2, of which the first two pass, and three wait: 3 × 8 units."""
    engine = Engine(APPROVALS)
    engine.apply([ITEM | {"id": f"i{number}", "sku": f"S{number}", "unit_cost": "2.5"} for number in range(10)])
    engine.apply([told("received", number, 10) for number in range(10)])
    engine.apply([told("counted", number, 2) for number in range(6)])
    item = opened(engine)
    assert (item["code"], item["waiting"], item["at_stake"], item["value"]) == ("mass_change", 3, 24, 60)
    deny = {"id": "d", "source": "operator", "type": "approval.denied", "exception": item["number"]}
    assert engine.apply([deny]).outcome_names == ["applied"]
    decided = opened(engine)
    assert (decided["state"], "waiting" in decided) == ("resolved", False)
    spots = [engine.position(f"S{number}", "L") for number in range(10)]
    assert sorted(spot.on_hand for spot in spots if spot is not None) == [2] * 3 + [10] * 7


def test_what_is_overdue_names_the_dispatch_and_its_amount() -> None:
    engine = Engine('[transfers]\nage = "1h"\n')
    sent = told("received", 1, 50), told("dispatched", 2, 12, type="transfer.dispatched", sku="S1", to_location="M")
    engine.apply(sent, 1, 0)
    engine.apply([{"id": "t", "source": "clock", "type": "tick"}], 3, 3_601 * 10**9)
    item = opened(engine)
    assert (
        item["cause"] == "12 units that wms/dispatched2 dispatched on 1970-01-01T00:00:00Z are on their way for "
        "more than transfers.age"
    )
    assert (item["sku"], item["location"]) == ("S1", "M")
