"""Plain text: what others wrote, in one line that neither a terminal nor the reader of a log obeys.

It lays out nothing and colours nothing.
"""

import logging


def printable(text: object) -> str:
    r"""A text of somebody else's, with an escape for each sign that cannot be seen or moves what can.

    >>> print(printable("LAMP\x1b[2J\u202eXL"))
    LAMP\x1b[2J\u202eXL
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(text))


def one_line(text: object) -> str:
    r"""The same with its lines put together.

    >>> one_line("refused:\n  no such stream")
    'refused: no such stream'
    """
    return printable(" ".join(str(text).split()))


class PlainLines(logging.Filter):
    """Sees to it that each record is one line, whoever wrote what it tells of."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass, with its message as one line."""
        record.msg, record.args = one_line(record.getMessage()), None
        return True
