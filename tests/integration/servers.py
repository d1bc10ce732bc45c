"""A nats-server whose configuration changes while it runs, as that of an operator does."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tallystick.bus.embedded import EmbeddedServer


class SettableServer(EmbeddedServer):
    """An embedded server with further settings, which are read anew on `reload`."""

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None, *, port: int = 0) -> None:
        super().__init__(folder, port=port, sync="1m")
        self.settings = dict(settings or {})

    def _write_settings(self) -> None:
        super()._write_settings()
        self._merge()

    def _merge(self) -> None:
        written = json.loads(self._settings_file.read_text("utf-8"))
        for name, value in self.settings.items():
            written[name] = {**written[name], **value} if isinstance(written.get(name), dict) else value
        # The server reads its configuration language, of which JSON is a part, without the quotes of numbers.
        self._settings_file.write_text(json.dumps(written, indent=2), "utf-8")

    def reload(self, settings: Mapping[str, Any]) -> None:
        """Takes over settings in place of those of the same name, without a restart."""
        self.settings = {**self.settings, **settings}
        port = json.loads(self._settings_file.read_text("utf-8"))
        port["port"] = self.port
        self._settings_file.write_text(json.dumps(port), "utf-8")
        self._merge()
        assert self.pid is not None
        os.kill(self.pid, signal.SIGHUP)
