"""The daemon's decisions that need no server."""

from tallystick.daemon.telling import CATCH_UP_MS, flush_is_due


def test_who_has_caught_up_publishes_at_once() -> None:
    assert flush_is_due(0, 100, 1, 0)
    assert flush_is_due(0, 100, 1, -5)


def test_within_the_interval_changes_are_merged() -> None:
    assert not flush_is_due(99, 100, 10, 1)
    assert flush_is_due(100, 100, 10, 1)


def test_who_is_behind_publishes_less_often() -> None:
    assert not flush_is_due(100, 100, 10, 11)
    assert flush_is_due(100, 100, 11, 11)
    assert not flush_is_due(CATCH_UP_MS - 1, 100, 10, 11)
    assert flush_is_due(CATCH_UP_MS, 100, 10, 1_000_000)
    assert not flush_is_due(CATCH_UP_MS, 60_000, 10, 11)


def test_catching_up_takes_few_flushes() -> None:
    """From a million messages behind, a hundred thousand applied per interval."""
    sequence = flushed = flushes = waited_ms = 0
    while sequence < 1_000_000:
        sequence += 10_000
        waited_ms += 10
        if flush_is_due(waited_ms, 100, sequence - flushed, 1_000_000 - sequence):
            flushes, flushed, waited_ms = flushes + 1, sequence, 0
    assert flushed == 1_000_000
    assert flushes <= 5
