"""Listen: an address to listen at, such as `127.0.0.1:8222`, and whether others than this machine can reach it.

It opens nothing; `http` does.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})")
CURE: Final = "give an address and a port, such as 127.0.0.1:8222 or [::1]:8222"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` is an address of the Internet Protocol, never a name.

    >>> Address.parse("[::1]:8222").is_loopback, Address.parse("0.0.0.0:80").is_loopback
    (True, False)
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads an address. Raises ValueError that says what to give."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(CURE)
        host, port = found["six"] or found["four"], int(found["port"])
        try:
            # What a name means is decided elsewhere, and it may not be loopback.
            address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError as error:
            raise ValueError(CURE) from error
        if port > 65_535:
            raise ValueError(CURE)
        return cls(str(address), port)

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def fault(text: str) -> str | None:
    """What to give instead of an address that cannot be read; None for one that can."""
    try:
        Address.parse(text)
    except ValueError as error:
        return str(error)
    return None
