"""Ways in: what `[nats]` says of authentication and encryption, as options of nats-py, read anew for every attempt.

So a secret or a certificate is rotated by writing its file; the environment is fixed for a process. It connects
nothing, and no error of it holds a secret.
"""

import logging
import ssl
from pathlib import Path
from typing import Any, Final

from tallystick.bus.link import WayInError
from tallystick.config import Nats

_SECRET_BYTES_MAX: Final = 64 * 1024
_log: Final = logging.getLogger(__name__)


class WaysIn:
    """How a client of these settings is let in."""

    def __init__(self, settings: Nats) -> None:
        self._settings = settings
        self._warned: set[Path] = set()

    @property
    def wants_tls(self) -> bool:
        """Whether nothing may be said in clear: an address or a setting asks for TLS."""
        settings = self._settings
        asks = settings.tls_ca is not None or settings.tls_certificate is not None
        return asks or any(address.startswith(("tls://", "wss://")) for address in settings.servers)

    def options(self) -> dict[str, Any]:
        """Returns options for `Client.connect`, with what the files hold now. Raises WayInError."""
        settings = self._settings
        options: dict[str, Any] = {
            "user": settings.user,
            "password": settings.password or self._secret("password_file"),
            "token": settings.token or self._secret("token_file"),
            "tls": self._tls() if self.wants_tls else None,
        }
        if settings.credentials is not None:
            _need_nkeys("credentials")
            text = self._read("credentials")
            # nats-py looks for these lines for ever in a file that lacks them.
            if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
                raise WayInError(f"{settings.credentials}: no user's JWT and seed in it; set nats.credentials")
            options["user_credentials"] = str(settings.credentials)
        if settings.nkey_seed_file is not None:
            _need_nkeys("nkey_seed_file")
            if not self._read("nkey_seed_file").startswith("SU"):
                raise WayInError(f"{settings.nkey_seed_file}: no seed of a user (SU…) in it; set nats.nkey_seed_file")
            options["nkeys_seed"] = str(settings.nkey_seed_file)
        return {name: value for name, value in options.items() if value is not None}

    def _secret(self, setting: str) -> str | None:
        if getattr(self._settings, setting) is None:
            return None
        secret = self._read(setting)
        if not secret or len(secret.splitlines()) != 1:
            raise WayInError(f"{getattr(self._settings, setting)}: not one line; set nats.{setting}")
        return secret

    def _read(self, setting: str) -> str:
        path: Path = getattr(self._settings, setting)
        self._warn_if_open(path)
        try:
            with path.open("rb") as file:
                return file.read(_SECRET_BYTES_MAX).decode("ascii" if setting != "password_file" else "utf-8").strip()
        except OSError as error:
            raise WayInError(f"{path}: {(error.strerror or str(error)).lower()}; set nats.{setting}") from None
        except UnicodeDecodeError:
            raise WayInError(f"{path}: not text; set nats.{setting}") from None

    def _tls(self) -> ssl.SSLContext:
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.tls_ca)
            if settings.tls_certificate is not None:
                assert settings.tls_key is not None, "both or none, as the configuration is checked"
                self._warn_if_open(settings.tls_key)
                # Without a password, a key that is encrypted would be asked for on the terminal.
                context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError too
            reason = getattr(error, "strerror", None) or str(error)
            raise WayInError(
                f"TLS files of [nats] cannot be used: {reason}; check tls_ca, tls_certificate and tls_key"
            ) from None
        return context

    def _warn_if_open(self, path: Path) -> None:
        """Says once of a file with a secret that others can read it."""
        try:
            mode = path.stat().st_mode & 0o777
        except OSError:
            return  # Whoever reads it says so.
        if mode & 0o077 and path not in self._warned:
            self._warned.add(path)
            _log.warning("%s can be read by others (mode %03o); chmod 600 %s", path, mode, path)


def _need_nkeys(setting: str) -> None:
    try:
        import nkeys  # noqa: F401
    except ImportError as error:
        raise WayInError(f"nats.{setting} needs the package nkeys; pip install 'tallystick[nkeys]'") from error


def _no_password() -> bytes:
    raise ValueError("the key is encrypted; decrypt it into a file of mode 600")
