"""Permissions: which subjects the daemon needs, and which of them the server denies this user.

The server tells each user its own permissions, so nothing has to be tried.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tallystick.bus.questions import ATP_SUBJECT, PROMISE_SUBJECT, QUESTIONS, STATUS_SUBJECT
from tallystick.bus.requests import REQUEST_KINDS
from tallystick.bus.streams import covers
from tallystick.config import Config
from tallystick.subjects import event_subject, subject_of


def needed(config: Config) -> tuple[list[str], list[str]]:
    """Returns the subjects that the daemon publishes to, and those that it subscribes to; `x` means any word."""
    events, outputs = config.input.stream, (config.output.availability_stream, config.output.exceptions_stream)
    domain, inbox = config.nats.jetstream_domain, f"{config.nats.inbox_prefix}.x.x"
    api = f"$JS.{domain}.API" if domain else "$JS.API"
    publish = [
        *(f"{api}.STREAM.INFO.{stream}" for stream in (events, *outputs)),
        *(f"{api}.STREAM.MSG.GET.{stream}" for stream in outputs),
        f"{api}.DIRECT.GET.{events}",
        f"{api}.CONSUMER.CREATE.{events}.x",
        f"{api}.CONSUMER.DELETE.{events}.x",
        f"{api}.CONSUMER.MSG.NEXT.{events}.x",
        subject_of(event_subject(config), "x"),
        config.output.availability_subject,
        config.output.exceptions_subject,
        "$SRV.INFO.tallystick",
        inbox,
    ]
    asked = [question.subject for question in QUESTIONS] + [kind.subject for kind in REQUEST_KINDS]
    subscribe = [inbox, "$SRV.INFO.tallystick", ATP_SUBJECT, STATUS_SUBJECT, PROMISE_SUBJECT, *asked]
    return publish, subscribe


def denied(permissions: Mapping[str, Any], config: Config) -> Iterator[str]:
    """Yields what the daemon needs and this user may not, in words. No permissions at all means that all is allowed."""
    for kind, subjects in zip(("publish", "subscribe"), needed(config), strict=True):
        rules = permissions.get(kind) or {}
        yield from (f"{kind} {subject}" for subject in _forbidden(rules, subjects))


def _forbidden(rules: Mapping[str, Sequence[str]], subjects: Iterable[str]) -> Iterator[str]:
    allow, deny = rules.get("allow") or (), rules.get("deny") or ()
    for subject in subjects:
        is_allowed = not allow or any(_covers(pattern, subject) for pattern in allow)
        if not is_allowed or any(_covers(pattern, subject) for pattern in deny):
            yield subject


def _covers(pattern: str, subject: str) -> bool:
    # A subscription may be permitted for a queue group alone, named after the subject.
    return covers(pattern.split(" ", 1)[0], subject)
