"""Policy: tables of a configuration file that may change while the daemon runs (docs/truth.md §4), checked.

It also says what they take the place of: the daemon's configuration, and what the log changed of it since.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick import config
from tallystick.config_engine import DEFAULT
from tallystick.config_text import render_key
from tallystick.errors import ConfigurationError, OperationError

if TYPE_CHECKING:
    from tallystick.client.wire import Wire

CHANGEABLE: Final = tuple(table for table in config.ENGINE_TABLES if table != "engine")
SHADOWED: Final = "ownership"
LOOK_BACK_MESSAGES: Final = 200_000
"""Messages of the log that are looked through for earlier changes, unless told otherwise."""
_CHANGED: Final = "configuration.changed"


@dataclass(frozen=True, slots=True)
class InForce:
    """What tables hold now, as far as it is known here."""

    tables: Mapping[str, Any]
    doubt: str | None
    """Why that may not be all; None where it is certain."""


@dataclass(slots=True)
class Difference:
    """What tables would change, by the names of the settings, such as `sources.wms.max_age`."""

    removed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.removed or self.changed or self.added)


def changes(path: Path, *, shadow: bool = False) -> dict[str, Any]:
    """Returns the tables of a file, as `configuration.changed` takes them. Raises ConfigurationError.

    Only what can change is allowed in it: whoever sets something else would wait for it in vain.
    """
    loaded = config.load(path, {})
    tables: dict[str, Any] = json.loads(loaded.engine_json)
    process = {one.table for one in loaded.settings if not one.changes_results and one.origin != DEFAULT}
    if fixed := sorted((process | set(tables)) - set(CHANGEABLE)):
        raise ConfigurationError(
            f"{path}: [{fixed[0]}] cannot change while the daemon runs; leave it out, or change the daemon's "
            "configuration and start it again"
        )
    if not tables:
        raise ConfigurationError(f"{path}: holds no table; write one of {', '.join(CHANGEABLE)}")
    if shadow and set(tables) != {SHADOWED}:
        raise ConfigurationError(f"{path}: only [{SHADOWED}] can be tried, alone; leave the other tables out")
    return tables


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Returns what is gone, other and new where tables take the place of those with the same names.

    >>> had = {"sources": {"wms": {"max_age": "1d"}, "erp": {}}, "approvals": {"absolute": 5}}
    >>> difference(had, {"sources": {"wms": {"max_age": "2d"}, "shop": {}}})
    Difference(removed=['sources.erp'], changed=['sources.wms.max_age'], added=['sources.shop'])
    """
    found = Difference()
    for table, content in after.items():
        _compare(table, before.get(table, [] if isinstance(content, list) else {}), content, found)
    return found


def _compare(name: str, before: Any, after: Any, found: Difference) -> None:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            inner = f"{name}.{render_key(key)}"
            if key not in after:
                found.removed.append(inner)
            elif key not in before:
                found.added.append(inner)
            else:
                _compare(inner, before[key], after[key], found)
    elif isinstance(before, list) and isinstance(after, list):
        for these, others, names in ((before, after, found.removed), (after, before, found.added)):
            if missing := sum(one not in others for one in these):
                names.append(f"{missing} of {len(these)} in {name}")
        if before != after and sorted(map(str, before)) == sorted(map(str, after)):
            found.changed.append(name)
    elif before != after:
        found.changed.append(name)


async def in_force(wire: "Wire", names: Iterable[str], last: int = LOOK_BACK_MESSAGES) -> InForce:
    """Returns what tables hold now: as the daemon began, with what the log changed since.

    The log is looked through from its end, `last` messages at most.
    """
    from tallystick.bus import questions

    status = await wire.answer_to(questions.STATUS_SUBJECT, {})
    is_known = status["config_fingerprint"] == wire.settings.fingerprint
    begun: dict[str, Any] = json.loads(wire.settings.engine_json) if is_known else {}
    doubt = None if is_known else "the daemon was started with another configuration; name its file with --config"
    try:
        found, missed = await _changed_since(wire, last)
    except OperationError as error:
        found, missed = {}, f"the log cannot be looked through: {error}"
    wanted = set(names)
    tables = {name: content for name, content in {**begun, **found}.items() if name in wanted}
    if "sources" in wanted:
        listed = await wire.answer_to(questions.SOURCES, {})
        # Whatever else may be in doubt, the daemon knows the names.
        known = tables.get("sources", {})
        tables["sources"] = {row["source"]: known.get(row["source"], {}) for row in listed if row["registered"]}
    return InForce(tables, (missed or doubt) if wanted - set(found) else None)


async def _changed_since(wire: "Wire", last: int) -> tuple[dict[str, Any], str | None]:
    """The tables that the log changed, and why there may be more of them."""
    from tallystick.bus.jetstream import JetStream
    from tallystick.bus.reader import read
    from tallystick.client.exceptions import Exceptions

    bus = JetStream(wire.connection)
    info = await bus.stream(wire.settings.input.stream)
    if info is None:
        return {}, f"there is no stream {wire.settings.input.stream} here; name the daemon's file with --config"
    first = max(info.first_sequence, info.last_sequence - last + 1, 1)
    operators = (await Exceptions(wire).stats())["operators"]
    said = []
    async for messages in read(bus, info, first):
        for message in messages:
            if _CHANGED.encode() in message.data:
                said += [event for event in _said(message.data) if event.get("source") in operators]
    outcomes = await wire.answers([(str(event["source"]), str(event.get("id"))) for event in said]) if said else []
    found: dict[str, Any] = {}
    for event, outcome in zip(said, outcomes, strict=True):
        if outcome == "applied":
            found |= _tables(event.get("config"))
    missed = f"changes before message {first:,} of the log were not looked at; see --last" if first > 1 else None
    return found, missed


def _said(message: bytes) -> Iterator[Mapping[str, Any]]:
    from tallystick.files.elements import elements, members

    for _, element in elements(message):
        event = members(element)
        if event.get("type") == _CHANGED and event.get("mode", "act") == "act":
            yield event


def _tables(said: Any) -> Mapping[str, Any]:
    if not isinstance(said, str):
        return said if isinstance(said, Mapping) else {}
    found = json.loads(said) if said.lstrip().startswith("{") else tomllib.loads(said)
    return found if isinstance(found, Mapping) else {}
