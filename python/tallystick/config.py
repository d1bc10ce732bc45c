"""Configuration: a TOML file and the environment become one frozen, validated `Config`, once.

Settings of the process are checked here. Settings that change results (`[engine]`, `[sources]`, `[types]`,
`[safety_stock]`, `[promise]`, `[exceptions]` and others) are checked by the engine, which returns their fingerprint.
Nothing else in the package reads the environment.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, get_type_hints
from urllib.parse import urlsplit

from tallystick import config_engine, config_text, listen
from tallystick.config_engine import DEFAULT, Setting
from tallystick.config_text import SourceText, did_you_mean, render, render_key
from tallystick.errors import ConfigurationError

ENGINE_TABLES: Final = (
    "engine",
    "sources",
    "types",
    "ownership",
    "approvals",
    "receipts",
    "transfers",
    "master",
    "echo",
    "safety_stock",
    "promise",
    "exceptions",
    "claims",
    "shipping",
    "replenish",
)
# Of these there may be several, each with its own header: [[shipping]].
ENGINE_LISTS: Final = frozenset({"shipping", "replenish"})
HIDDEN: Final = "***"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOKEN: Final = re.compile(r"[!-~]{16,256}")
"""What a token of `[http]` may be."""
_SUBJECT: Final = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")
_FILTER: Final = re.compile(r"([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?|>")


def _option(default: Any, about: str, *, check: Callable[[Any], str | None] | None = None, secret: bool = False) -> Any:
    # What lets in is in no repr either: those end in logs and tracebacks.
    return field(default=default, repr=not secret, metadata={"about": about, "check": check, "secret": secret})


def _within(least: float, most: float) -> Callable[[Any], str | None]:
    return lambda value: None if least <= value <= most else f"give a value from {least:,} to {most:,}"


def _stream_name(value: str) -> str | None:
    return None if _TOKEN.fullmatch(value) else "give 1 to 64 letters, digits, - or _"


def _subject(value: str) -> str | None:
    return None if _SUBJECT.fullmatch(value) else "give a subject without wildcards and spaces"


def _subjects(value: tuple[str, ...]) -> str | None:
    bad = [subject for subject in value if not _FILTER.fullmatch(subject)]
    if bad or not value:
        return f"{render(bad[0]) if bad else 'nothing'} is no subject; give subjects such as inventory.events.>"
    return None


def _server_urls(value: str) -> str | None:
    for address in value.split(","):
        try:
            parts = urlsplit(address.strip())
            good = parts.scheme in ("nats", "tls", "ws", "wss") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of the port, or of brackets
            good = False
        if not good:
            return "give an address such as nats://127.0.0.1:4222, or several with commas between them"
    return None


def _secret(value: str) -> str | None:
    return None if TOKEN.fullmatch(value) else "give 16 to 256 visible characters without spaces"


def _duration(value: str) -> str | None:
    return None if duration_s(value) is not None else 'give a whole number with s, m, h or d, such as "7d", or "none"'


def _one_of(*choices: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in choices else f"give one of {', '.join(choices)}"


def duration_s(text: str) -> int | None:
    """Returns the seconds of a duration such as `7d`; 0 for `none` (without end), None for what is no duration."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    return 0 if text == "none" else int(found[1]) * _SECONDS[found[2]] if found else None


@dataclass(frozen=True, slots=True)
class Nats:
    """`[nats]`: the server, and how to be let in."""

    url: str = field(
        default="nats://127.0.0.1:4222",
        repr=False,  # It may hold a password; `config show` prints it without.
        metadata={
            "about": "address of the server, or of several with commas between them",
            "check": _server_urls,
            "secret": False,
        },
    )
    name: str = _option("tallystick", "name of this client in the server's lists", check=_stream_name)
    user: str | None = _option(None, "user name")
    password: str | None = _option(None, "password of the user", secret=True)
    password_file: Path | None = _option(None, "file that holds the password; read anew at every attempt to connect")
    token: str | None = _option(None, "token", secret=True)
    token_file: Path | None = _option(None, "file that holds the token; read anew at every attempt to connect")
    credentials: Path | None = _option(None, "credentials file (JWT and key); read anew at every attempt to connect")
    nkey_seed_file: Path | None = _option(None, "file that holds an nkey's seed; read anew at every attempt to connect")
    tls_ca: Path | None = _option(None, "certificate authority that signed the server's certificate")
    tls_certificate: Path | None = _option(None, "certificate of this client")
    tls_key: Path | None = _option(None, "key of the client's certificate")
    inbox_prefix: str = _option(
        "_INBOX", "beginning of the subjects that answers come back to, so that they can be permitted", check=_subject
    )
    jetstream_domain: str | None = _option(
        None, "JetStream domain that has the streams, as on a leaf node", check=_stream_name
    )
    connect_timeout_s: float = _option(5.0, "how long the first connection may take", check=_within(0.1, 600))
    embedded_folder: Path = _option(Path("tallystick-data/nats"), "where an embedded server keeps its streams")
    embedded_sync: str = _option(
        "always", "when an embedded server makes its files durable: always, or an interval such as 10s"
    )

    @property
    def servers(self) -> list[str]:
        """The addresses in `url`, in their order."""
        return [address.strip() for address in self.url.split(",")]

    @property
    def shown(self) -> str:
        """The addresses in `url`, without what lets in."""
        return ", ".join(address.rpartition("@")[2] for address in self.servers)


@dataclass(frozen=True, slots=True)
class Input:
    """`[input]`: the event stream."""

    stream: str = _option("TALLYSTICK_EVENTS", "name of the event stream", check=_stream_name)
    subjects: tuple[str, ...] = _option(
        ("tallystick.events", "tallystick.events.>"), "its subjects, when it is created", check=_subjects
    )
    replicas: int = _option(1, "its replicas, when it is created", check=_within(1, 5))
    start_sequence: int = _option(
        1,
        "the ledger's first message, to adopt a stream whose beginning is gone or not wanted",
        check=_within(1, 1 << 62),
    )
    tick_after_s: float = _option(
        1.0,
        "a tick bridges the silence when something is due for longer than this and nobody speaks; 0: never",
        check=_within(0, 86_400),
    )

    @property
    def subject(self) -> str:
        """The subject that `tallystick publish` uses: the first one without wildcards, or made from the first."""
        exact = [subject for subject in self.subjects if _SUBJECT.fullmatch(subject)]
        return exact[0] if exact else self.subjects[0].replace("*", "events").replace(">", "events")


@dataclass(frozen=True, slots=True)
class Output:
    """`[output]`: the streams of availability and exceptions, and how they are written."""

    availability_stream: str = _option("TALLYSTICK_AVAILABILITY", "stream of availability", check=_stream_name)
    availability_subject: str = _option("tallystick.availability", "its subject", check=_subject)
    availability_max_age: str = _option(
        "7d", 'age of its oldest message, when it is created, or "none"', check=_duration
    )
    exceptions_stream: str = _option("TALLYSTICK_EXCEPTIONS", "stream of exceptions", check=_stream_name)
    exceptions_subject: str = _option("tallystick.exceptions", "its subject", check=_subject)
    exceptions_max_age: str = _option(
        "none", 'age of its oldest message, when it is created, or "none"', check=_duration
    )
    replicas: int = _option(1, "replicas of both streams, when they are created", check=_within(1, 5))
    publish_interval_ms: int = _option(
        100, "changes of one position within it become one; sent at once when nothing waits", check=_within(1, 60_000)
    )
    positions_per_message: int = _option(2_000, "most positions in one message", check=_within(1, 5_000))
    window_messages: int = _option(64, "most messages of a stream that wait for their ack", check=_within(1, 1_000))
    held_bytes: int = _option(
        256 << 20,
        "output that may wait while a stream takes none; beyond it, applying waits",
        check=_within(1 << 20, 64 << 30),
    )


@dataclass(frozen=True, slots=True)
class Snapshots:
    """`[snapshots]`: where and when the state is saved."""

    folder: Path = _option(Path("tallystick-data/snapshots"), "folder of the snapshots; of one daemon alone")
    interval_s: float = _option(60.0, "time from the end of one snapshot to the next", check=_within(0.1, 86_400))
    keep: int = _option(3, "how many are kept", check=_within(1, 100))


@dataclass(frozen=True, slots=True)
class Process:
    """`[process]`: bounds of this process; none of them changes a result."""

    pull_messages: int = _option(20_000, "most messages per pull request; two are under way", check=_within(1, 50_000))
    pull_bytes: int = _option(8 << 20, "most bytes per pull request", check=_within(2 << 20, 256 << 20))
    queue_messages: int = _option(
        100_000, "messages waiting for the engine before pulling stops", check=_within(1, 1 << 24)
    )
    queue_bytes: int = _option(16 << 20, "their bytes", check=_within(1 << 20, 4 << 30))
    shards: int = _option(
        1, "parts of the state that as many threads work on, if there are cores for them", check=_within(1, 64)
    )
    stop_timeout_s: float = _option(
        3.0,
        "how long a clean stop may take to apply what has arrived and to publish what is left",
        check=_within(0.1, 600),
    )
    log_level: str = _option(
        "info", "debug, info, warning or error", check=_one_of("debug", "info", "warning", "error")
    )
    log_format: str = _option(
        "auto",
        "text, json (a line is an object), or auto: text on a terminal and json elsewhere; times in UTC",
        check=_one_of("auto", "text", "json"),
    )


@dataclass(frozen=True, slots=True)
class Http:
    """`[http]`: probes and metrics over HTTP. Needs the extra `http`."""

    listen: str | None = _option(
        None,
        "address of /livez, /readyz and /metrics, such as 127.0.0.1:8222; without one: no HTTP",
        check=listen.fault,
    )
    token: str | None = _option(None, "bearer token that every request must bring", check=_secret, secret=True)
    token_file: Path | None = _option(None, "file that holds the token")
    tls_certificate: Path | None = _option(None, "certificate to show, with its chain")
    tls_key: Path | None = _option(None, "key of the certificate")
    tls_client_ca: Path | None = _option(None, "certificate authority that must have signed each client's certificate")

    @property
    def has_token(self) -> bool:
        """Whether requests must bring a token."""
        return self.token is not None or self.token_file is not None


PROCESS_TABLES: Final[Mapping[str, type[Any]]] = {
    "nats": Nats,
    "input": Input,
    "output": Output,
    "snapshots": Snapshots,
    "process": Process,
    "http": Http,
}


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, validated."""

    path: Path | None
    nats: Nats
    input: Input
    output: Output
    snapshots: Snapshots
    process: Process
    http: Http
    engine_json: str
    """The settings that change results, as JSON text for `Engine(config)`."""
    fingerprint: str
    """Of the settings that change results; part of every snapshot."""
    settings: tuple[Setting, ...] = field(repr=False)

    def describe(self) -> tuple[Setting, ...]:
        """Every setting with its value and its origin, secrets hidden."""
        return self.settings

    def value_of(self, setting: Setting) -> Any:
        """The value of one of the settings as JSON has it; None where it is not set."""
        if setting.value is None or setting.value == HIDDEN:
            return setting.value
        return config_text.toml_value(setting.value)

    def as_toml_text(self) -> str:
        """The configuration in force as TOML, each line with its origin; secrets hidden."""
        lines: list[str] = []
        table = None
        for setting in self.settings:
            if setting.table != table:
                table = setting.table
                name, _, number = table.partition(" ")
                header = f"[[{name}]]" if number.isdigit() else f"[{table}]"
                lines += ["", header if setting.is_in_table else f"# {header}"]
            # A default of the engine that stands in a file would make another fingerprint.
            is_left_out = setting.changes_results and setting.origin == DEFAULT
            value = "" if setting.value is None else f" {setting.value}"
            text = f"{'# ' if is_left_out or not value else ''}{render_key(setting.key)} ={value}"
            lines.append(f"{text}  # {setting.origin}")
        return "\n".join(lines[1:]) + "\n"


def load(
    path: Path | None = None, environment: Mapping[str, str] | None = None, nats: Mapping[str, Any] | None = None
) -> Config:
    """Reads and validates the configuration; without a path, defaults and environment alone.

    `nats`: settings of [nats] that a caller gives, where they are not None. Relative folders and files are relative to
    the folder of the configuration file. Raises ConfigurationError with one line that names file, line, key and cure.
    """
    source = config_text.read(path)
    known = {*PROCESS_TABLES, *ENGINE_TABLES}
    for table, content in source.tables.items():
        if table not in known:
            raise ConfigurationError(f"{source.place(table)}: unknown table [{table}]; {did_you_mean(table, known)}")
        if table in ENGINE_LISTS:
            if not (isinstance(content, list) and all(isinstance(entry, dict) for entry in content)):
                raise ConfigurationError(f"{source.place('', table)}: {table} must be tables; write [[{table}]]")
        elif not isinstance(content, dict):
            raise ConfigurationError(f"{source.place('', table)}: {table} must be a table; write [{table}]")
    keys: dict[str, list[str]] = {name: [item.name for item in fields(kind)] for name, kind in PROCESS_TABLES.items()}
    given = dict(os.environ if environment is None else environment)
    given |= {config_engine.variable("nats", key): str(one) for key, one in (nats or {}).items() if one is not None}
    overrides = config_text.from_environment(given, keys | {"engine": [], "safety_stock": ["default"]})
    folder = path.parent if path else Path()
    settings: list[Setting] = []
    tables = {
        name: _process_table(name, kind, source, overrides.get(name, {}), folder, settings)
        for name, kind in PROCESS_TABLES.items()
    }
    engine_json, fingerprint = _engine_tables(source, overrides, settings)
    config = Config(path, **tables, engine_json=engine_json, fingerprint=fingerprint, settings=tuple(settings))
    _check_together(config, source)
    return config


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started the daemon and wants to be told how it is, as systemd does for Type=notify."""

    address: str
    watchdog_s: float
    """How often it must be told that the daemon is alive; 0: never."""


def service_manager(environment: Mapping[str, str] | None = None) -> ServiceManager | None:
    """Returns what the environment says of a service manager that listens; None without one."""
    variables = os.environ if environment is None else environment
    address, microseconds = variables.get("NOTIFY_SOCKET", ""), variables.get("WATCHDOG_USEC", "")
    if not address.startswith(("/", "@")):
        return None
    return ServiceManager(address, int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0)


def _process_table(
    name: str,
    kind: type[Any],
    source: SourceText,
    overrides: Mapping[str, str],
    folder: Path,
    settings: list[Setting],
) -> Any:
    content: Mapping[str, Any] = source.tables.get(name, {})
    hints = get_type_hints(kind)
    for key in content:
        if key not in hints:
            raise ConfigurationError(
                f'{source.place(name, key)}: [{name}] has no key "{key}"; {did_you_mean(key, hints)}'
            )
    values: dict[str, Any] = {}
    for item in fields(kind):
        value, origin = item.default, DEFAULT
        assert value is not MISSING, "every setting has a default"
        variable = config_engine.variable(name, item.name)
        if item.name in overrides:
            origin, value = variable, _from_text(hints[item.name], overrides[item.name])
        elif item.name in content:
            origin, value = source.place(name, item.name), content[item.name]
        if origin != DEFAULT:
            value, mistake = _typed(hints[item.name], value)
            if mistake is None and item.metadata["check"] is not None and value is not None:
                mistake = item.metadata["check"](value)
            if mistake is not None:
                shown = HIDDEN if item.metadata["secret"] else _shown(item.name, value)
                place = f"environment: {variable}" if origin == variable else origin
                raise ConfigurationError(f"{place}: {name}.{item.name} = {shown} does not do; {mistake}")
        if isinstance(value, Path):
            value = folder / value.expanduser()
        values[item.name] = value
        visible = HIDDEN if item.metadata["secret"] else _shown(item.name, value)
        settings.append(Setting(name, item.name, None if value is None else visible, origin, item.metadata["about"]))
    return kind(**values)


def _shown(key: str, value: Any) -> str:
    if key == "url" and isinstance(value, str):
        value = ",".join(re.sub(r"^([^/]*//)?.*@", rf"\g<1>{HIDDEN}@", address) for address in value.split(","))
    return render(value)


def _from_text(kind: Any, text: str) -> Any:
    """An environment value in the form that TOML would have given."""
    if kind == tuple[str, ...]:
        return [part.strip() for part in text.split(",")]
    return config_text.toml_value(text) if kind in (int, float, bool) else text


def _typed(kind: Any, value: Any) -> tuple[Any, str | None]:
    """The value in the setting's own type, or what to give instead."""
    if kind == tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return (tuple(value), None) if good else (value, "give a list of texts")
    if kind in (int, float):
        good = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        return (kind(value), None) if good else (value, f"give a {'whole ' if kind is int else ''}number")
    if not isinstance(value, str) or not value:
        return value, "give a text in quotes that is not empty"
    return (Path(value) if kind in (Path, Path | None) else value), None


def _engine_tables(
    source: SourceText, overrides: Mapping[str, Mapping[str, str]], settings: list[Setting]
) -> tuple[str, str]:
    from tallystick._engine import ConfigError, check_config

    tables: dict[str, Any] = {name: copy(source.tables[name]) for name in ENGINE_TABLES if name in source.tables}
    for table in (name for name in ENGINE_TABLES if name not in ENGINE_LISTS):
        for key, text in overrides.get(table, {}).items():
            tables.setdefault(table, {})[key] = config_text.toml_value(text)
    try:
        # A date without quotes means what it means in quotes.
        text = json.dumps(tables, allow_nan=False, default=lambda value: value.isoformat())
    except ValueError as error:
        raise ConfigurationError(f"{source.place('engine')}: inf and nan are no numbers here") from error
    try:
        fingerprint = check_config(text)
    except ConfigError as error:
        raise config_engine.mistake(str(error), source, overrides) from error
    settings += config_engine.settings(tables, source, overrides)
    return text, fingerprint


def _check_together(config: Config, source: SourceText) -> None:
    """Rules between settings."""
    nats, names = config.nats, (config.input.stream, config.output.availability_stream, config.output.exceptions_stream)
    if len(set(names)) != len(names):
        raise ConfigurationError(
            f"{source.place('output')}: input, availability and exceptions need three different streams, not {names}"
        )
    if nats.user is None and (nats.password is not None or nats.password_file is not None):
        key = "password" if nats.password is not None else "password_file"
        raise ConfigurationError(f"{source.place('nats', key)}: nats.{key} needs nats.user")
    if (nats.tls_certificate is None) != (nats.tls_key is None):
        raise ConfigurationError(f"{source.place('nats')}: nats.tls_certificate and nats.tls_key go together")
    for ways in (
        ("user", "token", "token_file", "credentials", "nkey_seed_file"),
        ("password", "password_file"),
    ):
        if sum(getattr(nats, way) is not None for way in ways) > 1:
            names_text = ", ".join(f"nats.{way}" for way in ways)
            raise ConfigurationError(f"{source.place('nats')}: give one of {names_text}")
    if re.fullmatch(r"always|\d{1,6}(ms|s|m)", nats.embedded_sync) is None:
        raise ConfigurationError(
            f'{source.place("nats", "embedded_sync")}: nats.embedded_sync: give "always" or an interval such as "10s"'
        )
    _check_http(config.http, source)


def _check_http(http: Http, source: SourceText) -> None:
    place = source.place("http")
    if (http.tls_certificate is None) != (http.tls_key is None):
        raise ConfigurationError(f"{place}: http.tls_certificate and http.tls_key go together")
    if http.tls_client_ca is not None and http.tls_certificate is None:
        raise ConfigurationError(f"{place}: http.tls_client_ca needs http.tls_certificate and http.tls_key")
    if http.token is not None and http.token_file is not None:
        raise ConfigurationError(f"{place}: give one of http.token, http.token_file")
    is_open = not http.has_token and http.tls_certificate is None
    if http.listen is not None and is_open and not listen.Address.parse(http.listen).is_loopback:
        raise ConfigurationError(
            f"{source.place('http', 'listen')}: http.listen = {render(http.listen)} can be reached from elsewhere; "
            "set http.token_file, or http.tls_certificate and http.tls_key, or listen at 127.0.0.1"
        )
