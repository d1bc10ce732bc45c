"""Gate: who gets in, and how large a request may be. It stands before everything that answers over HTTP."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.config import TOKEN, Http
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADER_BYTES_MAX: Final = 16 << 10
"""Of all headers of a request, with its path."""
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
]


def token_of(settings: Http) -> bytes | None:
    """Returns the token that every request must bring; None where there is none. Raises ConfigurationError."""
    if settings.token_file is None:
        return settings.token.encode() if settings.token is not None else None
    return _read(settings.token_file)


def _read(path: Path) -> bytes:
    try:
        text = path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; set http.token_file to a readable file") from error
    except UnicodeDecodeError:
        text = ""
    if not TOKEN.fullmatch(text):
        raise ConfigurationError(f"{path}: a token has 16 to 256 visible characters without spaces; write one into it")
    return text.encode()


class Gate:
    """Lets a request through to `app` if it brings the token and no body."""

    def __init__(self, app: "ASGIApp", token: bytes | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers as the ASGI protocol asks for."""
        if scope["type"] != "http":  # There are no websockets here, and uvicorn asks for nothing else.
            return
        headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
        size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(map(len, chain(*scope["headers"])))
        # What comes in one piece is read whole by uvicorn, however long it is.
        if size > HEADER_BYTES_MAX:
            await _refuse(send, 431, b"too many bytes of headers\n", (b"connection", b"close"))
        elif self._token is not None and not _is_same(headers.get(b"authorization", b""), self._token):
            await _refuse(send, 401, b"a bearer token is needed\n", (b"www-authenticate", b"Bearer"))
        elif b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            await _refuse(send, 413, b"no body is read here\n", (b"connection", b"close"))
        else:
            await self._app(scope, receive, send)


def _is_same(given: bytes, token: bytes) -> bool:
    scheme, _, credentials = given.partition(b" ")
    # In constant time, whatever was given: how long it takes tells nothing of the token.
    return hmac.compare_digest(credentials.strip(), token) and scheme.lower() == b"bearer"


async def _refuse(
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]], status: int, body: bytes, header: tuple[bytes, bytes]
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_HEADERS, length, header]})
    await send({"type": "http.response.body", "body": body})
