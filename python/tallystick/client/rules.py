"""Rules: what a type of event moves on the shelf, as far as whoever looks back through a stream has to know.

The engine decides by the same tables; this knows nothing of what was decided.
"""

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.config import Config


class Rules:
    """What an event of a type moves on the shelf: the built-in table, and that of the configuration."""

    def __init__(self, config: "Config") -> None:
        from tallystick._engine import default_rules

        own: dict[str, Any] = json.loads(config.engine_json).get("types", {})
        self._types: dict[str, Any] = {**tomllib.loads(default_rules())["types"], **own}

    def is_stock(self, kind: str | None) -> bool:
        """Whether a type is one of stock, and no directive and none of somebody else's."""
        return kind in self._types

    def moved(self, fields: Mapping[str, Any], location: str | None) -> Decimal | None:
        """The change of on hand at a location; None where the type, or the quantity, says nothing of it."""
        rule = self._types.get(str(fields.get("type")), {})
        rule = self._types.get(rule["alias"], {}) if "alias" in rule else rule
        quantity = quantity_of(fields.get("quantity"))
        if quantity is None or not rule.get("postings"):
            return None
        total = Decimal(0)
        for pair in rule["postings"]:
            for end, sign in zip(pair, (-1, 1), strict=True):
                account, _, remote = end.partition("@")
                if account in ("from_status", "to_status"):
                    account = fields.get(account) or rule.get(account, {}).get("default")
                where = fields.get("to_location") if remote else fields.get("location")
                if account == "on_hand" and where == location:
                    total += sign * quantity
        return total


def quantity_of(value: object) -> Decimal | None:
    """A quantity as it was sent; None for what is none."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
