"""Findings: what one check came to, in words, with what to do about it."""

from dataclasses import dataclass
from typing import Final, Literal

State = Literal["ok", "warn", "fail"]
OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    check: str
    """What was looked at, in a word or two."""
    state: State
    text: str
    cure: str | None = None
    """What to do; None where nothing is to be done."""


def ok(check: str, text: str) -> Finding:
    """Returns a finding that all is well."""
    return Finding(check, "ok", text)


def warn(check: str, text: str, cure: str) -> Finding:
    """Returns a finding that will hurt some day."""
    return Finding(check, "warn", text, cure)


def fail(check: str, text: str, cure: str) -> Finding:
    """Returns a finding that must be mended."""
    return Finding(check, "fail", text, cure)


def of_error(check: str, error: Exception) -> Finding:
    """Returns the finding that an error is; our errors name their cure after a semicolon."""
    text, _, cure = " ".join(str(error).split()).partition("; ")
    return fail(check, text, cure or "see docs/operations.md")
