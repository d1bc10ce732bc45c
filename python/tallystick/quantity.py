"""Quantities for people: the engine's whole thousandths as decimal numbers. It does no arithmetic on stock."""

from decimal import Decimal, InvalidOperation
from operator import index
from typing import Final

_PLACES: Final = 3


def to_decimal(thousandths: int) -> Decimal:
    """Converts a quantity in thousandths of a unit to units, exactly and without trailing zeros.

    >>> to_decimal(12500), to_decimal(12000), to_decimal(-1)
    (Decimal('12.5'), Decimal('12'), Decimal('-0.001'))

    Raises TypeError for what is no whole number: 12.5 is a quantity in units already.
    """
    if isinstance(thousandths, float):
        raise TypeError(f"{thousandths!r} is a float; give whole thousandths, as the engine does")
    units, rest = divmod(abs(index(thousandths)), 10**_PLACES)
    digits = f"{units}.{rest:0{_PLACES}d}".rstrip("0").rstrip(".")
    return Decimal(digits if thousandths >= 0 else f"-{digits}")


def to_thousandths(quantity: Decimal | int | str) -> int:
    """Converts a quantity in units to thousandths. Raises ValueError if that is not exact, TypeError for a float.

    Whatever is a whole number is one here, those of NumPy among them.

    >>> to_thousandths("12.5"), to_thousandths(-1)
    (12500, -1000)
    """
    if isinstance(quantity, float):
        raise TypeError(f"{quantity!r} is a float, and seldom what it looks like; give an int, a Decimal or a text")
    if not isinstance(quantity, Decimal | str):
        if not hasattr(quantity, "__index__"):
            raise TypeError(f"{quantity!r} is no quantity; give an int, a Decimal or a text")
        quantity = index(quantity)
    try:
        scaled = Decimal(quantity).scaleb(_PLACES)
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is no quantity") from None
    if not scaled.is_finite() or scaled != int(scaled):
        raise ValueError(f"{quantity} has more than {_PLACES} fraction digits")
    return int(scaled)
