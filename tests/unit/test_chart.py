"""The chart of a horizon: exact pictures."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tallystick.cli.chart import ASCII, UNICODE, Figure, bars, draw

Steps = Sequence[tuple[str, Figure]]
UP_AND_DOWN: Steps = [("2026-11-21", 40), ("2026-11-24", Decimal("12.5")), ("2026-11-26", -20), ("2026-11-29", 60)]


def picture(steps: Steps, width: int = 60, *, ascii_only: bool = False) -> str:
    lines = draw(steps, width, signs=ASCII if ascii_only else UNICODE)
    assert all(len(line) <= width for line in lines)
    return "\n" + "\n".join(lines) + "\n"


def test_what_is_there_stands_on_the_line_and_what_is_short_hangs_from_it() -> None:
    assert (
        picture(UP_AND_DOWN)
        == """
 60 ┤                        ████████████
    ┤                        ████████████
    ┤█████████               ████████████
    ┤█████████               ████████████
    ┤█████████▂▂▂▂▂▂         ████████████
    ┤███████████████         ████████████
  0 ┼────────────────────────────────────
    ┤               █████████
-20 ┤               █████████
     11-21    11-24    11-27    11-30
"""
    )


def test_where_nothing_else_can_be_shown_it_is_plain_ascii() -> None:
    shown = picture(UP_AND_DOWN, ascii_only=True)
    assert shown.isascii()
    assert (
        shown
        == """
 60 |                        ############
    |                        ############
    |#########               ############
    |#########               ############
    |#########......         ############
    |###############         ############
  0 +------------------------------------
    |               #########
-20 |               #########
     11-21    11-24    11-27    11-30
"""
    )


def test_what_has_no_limit_is_marked() -> None:
    assert (
        picture([("2026-11-21", -3), ("2026-11-23", None)], 30)
        == """
          ∞∞∞∞∞∞∞∞∞∞∞∞
   ┤      ░░░░░░░░░░░░
   ┤      ░░░░░░░░░░░░
   ┤      ░░░░░░░░░░░░
   ┤      ░░░░░░░░░░░░
 0 ┼──────────────────
   ┤██████
   ┤██████
   ┤██████
-3 ┤██████
    11-21    11-24
"""
    )


def test_nothing_is_a_line() -> None:
    assert picture([("2026-11-21", 0)], 30) == "\n0 ┼────────────\n   11-21\n"


def test_the_least_figure_is_still_seen() -> None:
    lines = draw([("2026-11-21", Decimal("0.001")), ("2026-11-22", 1_000), ("2026-11-23", Decimal("-0.001"))], 60)
    assert lines[-4] == "       ┤▁▁▁███"
    assert lines[-2] == "-0.001 ┤      ▔▔▔▔▔▔▔▔▔▔▔▔"


def test_hours_have_their_own_labels() -> None:
    steps: Steps = [("2026-11-21T13:00:00Z", 4), ("2026-11-21T15:00:00Z", 8)]
    assert picture(steps, 40).splitlines()[-1] == "   13:00    16:00"


def test_what_has_no_room_goes_together_and_the_least_counts() -> None:
    steps: Steps = [("2026-01-01", 9), ("2026-01-10", 1), ("2026-01-11", 9), ("2026-03-31", 9)]
    shown, together = bars(steps, 31)
    assert together == 3
    assert [bar.figure for bar in shown][:5] == [9, 9, 9, 1, 9]
    assert shown[3].bucket == "2026-01-10"
    assert draw(steps, 34)[-1].strip() == "each column: the least of 3 days"
    assert bars([("2026-01-01", None), ("2026-01-02", 5)], 1)[0][0].figure == 5


@pytest.mark.parametrize("width", [0, 1, 12, 20, 33, 80, 400])
def test_any_width_does(width: int) -> None:
    steps: Steps = [("2026-11-21", 123_456), ("2027-01-01", Decimal("-0.001")), ("2027-12-01", None)]
    assert draw(steps, width)
    assert draw([], width) == []
