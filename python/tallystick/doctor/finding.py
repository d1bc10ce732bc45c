"""Findings: what one check came to, in words, with what to do about it."""

from dataclasses import dataclass
from typing import Final, Literal

State = Literal["ok", "warn", "fail", "skip"]
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


def skip(check: str, text: str, cure: str) -> Finding:
    """Returns a finding that the check could not be made: nobody knows whether all is well there."""
    return Finding(check, "skip", text, cure)


def skip_denied(check: str, text: str, denied: str) -> Finding:
    """Returns the finding that the server denied what the check needs. `denied` names its cure after a semicolon."""
    denial, _, cure = denied.partition("; ")
    return skip(check, f"{text}: {denial}", cure)


def fail(check: str, text: str, cure: str) -> Finding:
    """Returns a finding that must be mended."""
    return Finding(check, "fail", text, cure)


def of_error(check: str, error: Exception) -> Finding:
    """Returns the finding that an error is; our errors name their cure after a semicolon."""
    text, _, cure = " ".join(str(error).split()).partition("; ")
    return fail(check, text, cure or "see docs/operations.md")
