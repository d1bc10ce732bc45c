"""Shapes: whether a value is what its type says, down to its members: typed dicts, lists, literals."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def fits(value: object, kind: Any) -> str:
    """Where a value differs from its type; nothing where it does not."""
    if get_origin(kind) is NotRequired:
        return fits(value, get_args(kind)[0])
    if is_typeddict(kind):
        assert isinstance(value, dict)
        hints = get_type_hints(kind)
        if unknown := value.keys() - hints.keys():
            return f"{kind.__name__} has no {sorted(unknown)}"
        if missing := kind.__required_keys__ - value.keys():
            return f"{kind.__name__} lacks {sorted(missing)}"
        return "; ".join(filter(None, (fits(member, hints[name]) for name, member in value.items())))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        assert isinstance(value, list)
        return "; ".join(filter(None, (fits(member, arguments[0]) for member in value)))
    if origin in (dict, Mapping):
        assert isinstance(value, dict)
        return "; ".join(filter(None, (fits(member, arguments[1]) for member in value.values())))
    if origin in (Union, UnionType):
        return "" if any(not fits(value, one) for one in arguments if accepts(value, one)) else f"{value!r}: {kind}"
    if origin is Literal:
        return "" if value in arguments else f"{value!r}: {kind}"
    return "" if accepts(value, kind) else f"{value!r}: {kind}"


def accepts(value: object, kind: Any) -> bool:
    if kind is Any:
        return not isinstance(value, float)
    plain = get_origin(kind) or (dict if is_typeddict(kind) else kind)
    return type(value) is plain or (plain is NoneType and value is None)
