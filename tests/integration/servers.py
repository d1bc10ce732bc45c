"""Real nats-servers that ask for something: configured as a test needs them, reloaded, moved to another store."""

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nkeys

from tallystick.bus.embedded import EmbeddedServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def hanging(server: EmbeddedServer) -> Iterator[None]:
    """The server takes what it is sent, and does nothing."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class ConfiguredServer(EmbeddedServer):
    """An embedded server with settings of a test's own, which can be changed while it runs."""

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        # A reload takes no other port, so that it must be known before.
        super().__init__(folder, port=free_port(), sync="1m")
        self.settings = dict(settings or {})
        self.store = "jetstream"

    def reload(self, changed: Mapping[str, Any] | None = None, /, **settings: Any) -> None:
        """Puts settings in place of those of the same name, and has the running server read them."""
        self.settings |= {**(changed or {}), **settings}
        self._write()
        assert self.pid is not None
        os.kill(self.pid, signal.SIGHUP)

    def _write_settings(self) -> None:
        super()._write_settings()
        self._write()

    def _write(self) -> None:
        written = json.loads(self._settings_file.read_text())
        kept = {name: written[name] for name in ("host", "port", "server_name", "ports_file_dir", "jetstream")}
        kept["jetstream"]["store_dir"] = str((self.folder / self.store).resolve())
        for name, value in self.settings.items():
            both = isinstance(value, dict) and isinstance(kept.get(name), dict)
            kept[name] = {**kept[name], **value} if both else value
        self._settings_file.write_text(json.dumps(kept, indent=2))


def claims(subject: str, issuer: nkeys.KeyPair, name: str, nats: Mapping[str, Any], expires: int | None = None) -> str:
    """Returns a JWT as nsc makes them: claims of NATS, version 2, signed with an nkey."""
    body: dict[str, Any] = {"iat": 1_750_000_000, "iss": issuer.public_key.decode(), "name": name, "sub": subject}
    body |= {"nats": {**nats, "version": 2}} | ({"exp": expires} if expires is not None else {})
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    parts = [_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
    return ".".join([*parts, _base64(issuer.sign(".".join(parts).encode()))])


def key_pair(kind: bytes) -> nkeys.KeyPair:
    """Makes a key: `nkeys.PREFIX_BYTE_OPERATOR`, `…_ACCOUNT` or `…_USER`."""
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), kind))


def credentials(user_jwt: str, user: nkeys.KeyPair) -> str:
    """Returns the text of a credentials file."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
