"""Subjects: which subject of the bus an event is sent on, where `engine.source_subject` binds sources to subjects.

A template is a subject, or one with `{source}` in it, which stands for the event's source. It sends nothing.
"""

import json
import re
from typing import TYPE_CHECKING, Final

from tallystick import exact_json

if TYPE_CHECKING:
    from tallystick.config import Config

PLACE: Final = "{source}"
_ENCODED: Final = re.compile(rb"[^!-~]|[.*>%]")


def source_subject(config: "Config") -> str | None:
    """Returns the template of the subjects that sources are bound to; None where any will do."""
    bound: str | None = json.loads(config.engine_json).get("engine", {}).get("source_subject")
    return bound


def event_subject(config: "Config") -> str:
    """Returns what events are published on: a subject, or the template that has `{source}` in it."""
    return source_subject(config) or config.input.subject


def trusting(engine_json: str) -> str:
    """Returns the engine's settings for events that came on no subject, as those of files: nothing binds them to one.

    >>> trusting('{"engine": {"source_subject": "events.{source}", "history_max": 9}}')
    '{"engine": {"history_max": 9}}'
    """
    tables = json.loads(engine_json)
    tables.get("engine", {}).pop("source_subject", None)
    return json.dumps(tables)


def token(source: str) -> str:
    """Returns a source as one token of a subject: what a token may not have is `%XX`.

    >>> token("wms"), token("shop.de"), token("50 %")
    ('wms', 'shop%2Ede', '50%20%25')
    """
    return _ENCODED.sub(lambda found: b"%%%02X" % ord(found[0]), source.encode()).decode()


def subject_of(template: str, source: str) -> str:
    """Returns the subject that a source's events go to.

    >>> subject_of("tallystick.events.{source}", "wms"), subject_of("tallystick.events", "wms")
    ('tallystick.events.wms', 'tallystick.events')
    """
    return template.replace(PLACE, token(source)) if PLACE in template else template


def subject_of_event(template: str, event: bytes) -> str:
    """Returns the subject that an event goes to, by the source that it names.

    Raises ValueError for an event that names none, where the template needs one.

    >>> subject_of_event("tallystick.events.{source}", b'{"id": "1", "source": "erp"}')
    'tallystick.events.erp'
    """
    if PLACE not in template:
        return template
    fields = exact_json.loads(event)
    source = fields.get("source") if isinstance(fields, dict) else None
    if not isinstance(source, str) or not source:
        raise ValueError("it names no source, and each source has a subject of its own (engine.source_subject)")
    return subject_of(template, source)


def pattern_of(template: str) -> str:
    """Returns the pattern of all subjects of a template, as a stream listens to it.

    >>> pattern_of("tallystick.events.{source}")
    'tallystick.events.*'
    """
    return template.replace(PLACE, "*")
