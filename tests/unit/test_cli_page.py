"""The page of the command line is up to date, and names what every command prints in JSON."""

from tallystick.cli.fields import FIELDS
from tools.cli_page import PAGE, commands, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tools.cli_page"


def test_records_are_those_of_commands() -> None:
    assert set(FIELDS) <= set(commands())
