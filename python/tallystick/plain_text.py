"""Plain text: what others wrote, in one line that neither a terminal nor the reader of a log obeys.

It lays out nothing and colours nothing.
"""


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
