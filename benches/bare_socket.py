"""Bare socket: the NATS protocol by hand, to find what the bus itself can do.

The reader looks into nothing. All frames of a bench are known beforehand to the byte, so it counts bytes and knows how
many messages they are; only the last frame is checked. It is no client: no TLS, no reconnects, no headers.
"""

import json
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

RECEIVE_BYTES: Final = 1 << 20
PUBLISH_MESSAGES: Final = 1_000
PUBLISH_BYTES: Final = 4 << 20
_TIMEOUT_S: Final = 60.0
_TIMESTAMP_DIGITS: Final = 19


class BareSocket:
    """One connection to a nats-server on loopback, used as a context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._inboxes = count(1)
        # Of this connection alone: what is for another one must not come here.
        self._name = secrets.token_hex(4)
        self._lines.readline()  # INFO
        self.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def set_timeout(self, seconds: float | None) -> None:
        """Sets how long one receive may take; None: for ever."""
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        """Sends protocol bytes as they are."""
        self._socket.sendall(data)

    def receive(self, buffer: bytearray) -> int:
        """Reads what is there into `buffer`, and says how many bytes. Raises ConnectionError at the end."""
        received = self._socket.recv_into(buffer)
        if not received:
            raise ConnectionError("nats-server closed the connection")
        return received

    def subscribe(self) -> str:
        """Subscribes a fresh inbox of fixed length, and returns it. Its subscription id is its number."""
        number = next(self._inboxes)
        inbox = f"_INBOX.{self._name}.{number:04}"
        self.send(f"SUB {inbox} {number}\r\n".encode())
        return inbox

    def flush(self) -> None:
        """Returns when the server has taken in everything that was sent, and so knows the subscriptions."""
        self.send(b"PING\r\n")
        while self._line() != b"PONG\r\n":
            continue  # the server's own PING, as soon as it has seen the client

    def request(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """One JetStream API call. Only before anything else is subscribed. Raises ValueError when it is refused."""
        inbox, payload = self.subscribe(), json.dumps(body).encode()
        self.send(f"PUB {subject} {inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        while True:
            words = self._line().split()
            if words[:1] == [b"PING"]:
                self.send(b"PONG\r\n")
            elif words[:1] == [b"MSG"]:
                answer: dict[str, Any] = json.loads(self._lines.read(int(words[-1]) + 2))
                if "error" in answer:
                    raise ValueError(f"{subject}: {answer['error']['description']}")
                return answer

    def _line(self) -> bytes:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("nats-server closed the connection")
        return line

    def publish(self, subject: str, payloads: Sequence[bytes]) -> None:
        """Stores messages in order, two windows under way, every one confirmed. Raises ValueError if one is refused."""
        inbox = self.subscribe()
        under_way: deque[int] = deque()
        acks = _AckReader(self)
        for window in _windows(payloads):
            head = f"PUB {subject} {inbox} "
            self.send(b"".join(b"%b%d\r\n%b\r\n" % (head.encode(), len(data), data) for data in window))
            under_way.append(len(window))
            if len(under_way) == 2:
                acks.wait(under_way.popleft())
        acks.wait(sum(under_way))


class _AckReader:
    def __init__(self, connection: BareSocket) -> None:
        self._connection = connection
        self._buffer = bytearray(RECEIVE_BYTES)
        self._rest = b""
        self._ahead = 0

    def wait(self, acks: int) -> None:
        self._ahead -= acks
        while self._ahead < 0:
            received = self._connection.receive(self._buffer)
            data = self._rest + self._buffer[:received]
            complete = data.rfind(b"\r\n") + 2
            if b'"error"' in data:
                raise ValueError(f"the stream refuses a message: {data[:200].decode()}")
            if b"PING\r\n" in data:
                self._connection.send(b"PONG\r\n")
            self._ahead += data.count(b'"seq":', 0, complete)
            self._rest = data[complete:]


def _windows(payloads: Sequence[bytes]) -> list[list[bytes]]:
    windows: list[list[bytes]] = [[]]
    size = 0
    for payload in payloads:
        if len(windows[-1]) == PUBLISH_MESSAGES or size > PUBLISH_BYTES:
            windows.append([])
            size = 0
        windows[-1].append(payload)
        size += len(payload)
    return windows


def frame_ends(
    payload_bytes: NDArray[np.int64], *, subject: str, stream: str, consumer: str, first_sequence: int = 1
) -> NDArray[np.int64]:
    """Bytes that have arrived when message i (from 0) is complete, for a consumer that starts at `first_sequence`.

    A frame is `MSG <subject> 1 $JS.ACK.<stream>.<consumer>.1.<seq>.<seq>.<time>.<pending> <bytes>` and its payload,
    for messages without headers that are all stored under one subject.
    """
    messages = len(payload_bytes)
    sequence = np.arange(1, messages + 1)
    fixed = len(f"MSG {subject} 1 $JS.ACK.{stream}.{consumer}.1.... \r\n\r\n") + _TIMESTAMP_DIGITS
    variable = _digits(sequence + first_sequence - 1) + _digits(sequence) + _digits(messages - sequence)
    variable += _digits(payload_bytes) + payload_bytes
    return np.cumsum(variable + fixed)


def _digits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return 1 + np.searchsorted(10 ** np.arange(1, 19), values, side="right")
