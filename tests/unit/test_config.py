"""Configuration: what is read, what wins, and that every mistake is one line that names place and cure."""

import re
from pathlib import Path

import pytest

from tallystick import config_engine
from tallystick.config import ENGINE_LISTS, ENGINE_TABLES, Config, Nats, duration_s, load
from tallystick.errors import ConfigurationError

ROOT = Path(__file__).parents[2]

WHOLE = """\
[nats]
url = "nats://bus.example:4222"
user = "tally"
password = "secret one"

[input]
stream = "STOCK"
subjects = ["stock.>"]

[snapshots]
folder = "state"
interval_s = 5

[engine]
negative_stock = "refuse"

[sources."wms-east"]
max_age = "none"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tallystick.toml"
    path.write_text(text, "utf-8")
    return path


def mistake(folder: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text), environment or {})
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message.replace(f"{folder}/", "")


def test_without_a_file_the_defaults_are_in_force() -> None:
    config = load(None, {})
    assert config.nats.url == "nats://127.0.0.1:4222"
    assert config.input.subject == "tallystick.events"
    assert config.snapshots.keep == 3
    assert config.fingerprint == load(None, {"TALLYSTICK_PROCESS_PULL_MESSAGES": "7"}).fingerprint


def test_a_file_is_read_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE), {})
    assert config.input.stream == "STOCK"
    assert config.input.subject == "stock.events"
    assert config.snapshots.folder == tmp_path / "state"
    assert config.snapshots.interval_s == 5.0
    assert config.fingerprint != load(None, {}).fingerprint


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {
        "TALLYSTICK_NATS_URL": "nats://other:4222",
        "TALLYSTICK_INPUT_SUBJECTS": "a, b.>",
        "TALLYSTICK_SNAPSHOTS_KEEP": "9",
        "TALLYSTICK_ENGINE_NEGATIVE_STOCK": "flag",
        "TALLYSTICK_DEMO": "no setting of the configuration",
        "HOME": "/nowhere",
    }
    config = load(write(tmp_path, WHOLE), environment)
    assert config.nats.url == "nats://other:4222"
    assert config.input.subjects == ("a", "b.>")
    assert config.snapshots.keep == 9
    assert '"negative_stock": "flag"' in config.engine_json
    origins = {(setting.table, setting.key): setting.origin for setting in config.describe()}
    assert origins["nats", "url"] == "TALLYSTICK_NATS_URL"
    assert origins["input", "stream"] == f"{tmp_path}/tallystick.toml:7"
    assert origins["output", "replicas"] == "default"
    assert origins["engine", "negative_stock"] == "TALLYSTICK_ENGINE_NEGATIVE_STOCK"


def shown(config: Config) -> str:
    return config.as_toml_text() + repr(config.describe())


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = shown(load(write(tmp_path, WHOLE), {}))
    assert "secret one" not in text
    assert "password = ***" in text
    text = shown(load(None, {"TALLYSTICK_NATS_URL": "nats://joe:hunter2@bus:4222"}))
    assert "hunter2" not in text
    assert "nats://***@bus:4222" in text
    assert "hunter2" not in mistake(tmp_path, '[nats]\nurl = "http://joe:hunter2@bus"')
    assert "hunter2" not in mistake(tmp_path, "[nats]\npassword = ['hunter2']")
    several = load(None, {"TALLYSTICK_NATS_URL": "nats://joe:hunter1@bus:4222, tls://hunter2@other:4222/"})
    assert "hunter" not in shown(several) + repr(several)
    assert "nats://***@bus:4222, tls://***@other:4222" in shown(several)
    environment = {f"TALLYSTICK_NATS_{name}": "hunter2" for name in ("USER", "PASSWORD")}
    assert "hunter2" not in repr(load(None, environment)).replace("user='hunter2'", "")


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE.replace('password = "secret one"', "")), {})
    (tmp_path / "again").mkdir()
    again = load(write(tmp_path / "again", config.as_toml_text()), {})
    assert again.fingerprint == config.fingerprint
    assert (again.nats, again.input, again.output, again.process) == (
        config.nats,
        config.input,
        config.output,
        config.process,
    )


def test_every_table_of_the_engine_may_stand_in_the_file(tmp_path: Path) -> None:
    source = (ROOT / "rust" / "contract" / "src" / "config" / "mod.rs").read_text("utf-8")
    raw = re.search(r"^struct Raw \{(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert raw is not None
    known = set(re.findall(r"^    (\w+): (?!serde)", raw[1], re.MULTILINE))
    assert known == set(ENGINE_TABLES)
    lists = set(re.findall(r"^    (\w+): Vec<", raw[1], re.MULTILINE))
    assert lists == set(ENGINE_LISTS)
    text = """
[claims]
unallocated_pick = "flag"
[[shipping]]
from = "on_hand"
locations = ["BX"]
[[shipping]]
from = "picked"
"""
    config = load(write(tmp_path, text), {})
    assert config.fingerprint != load(None, {}).fingerprint
    (tmp_path / "again").mkdir()
    assert load(write(tmp_path / "again", config.as_toml_text()), {}).fingerprint == config.fingerprint
    assert "shipping must be tables; write [[shipping]]" in mistake(tmp_path, "shipping = 1")


def test_rules_of_replenishment_are_read_and_mistakes_named(tmp_path: Path) -> None:
    text = """
[[replenish]]
skus = ["LAMP"]
locations = ["DC1"]
point = "5d"
target = "20d"
lead_time = "3d"
window = "10d"
[[replenish]]
point = 40
target = "99.5"
"""
    config = load(write(tmp_path, text), {})
    assert config.fingerprint != load(None, {}).fingerprint
    (tmp_path / "again").mkdir()
    assert load(write(tmp_path / "again", config.as_toml_text()), {}).fingerprint == config.fingerprint
    assert "replenish must be tables; write [[replenish]]" in mistake(tmp_path, "replenish = 1")
    for more in ('lead_time = "367d"', 'window = "0d"', 'target = "0.5d"', "target = 40"):
        key = more.partition(" ")[0]
        rule = {"point": "40", "target": "90"} | {key: more.partition(" = ")[2]}
        said = mistake(tmp_path, "[[replenish]]\n" + "\n".join(f"{name} = {value}" for name, value in rule.items()))
        assert f"replenish[0].{key}: give" in said


def test_a_date_needs_no_quotes(tmp_path: Path) -> None:
    text = "[[safety_stock.rules]]\nsku = 'A'\nquantity = 1\nfrom = 2026-12-01\nuntil = 2026-12-24T00:00:00Z\n"
    quoted = text.replace("2026-12-01", "'2026-12-01'")
    assert load(write(tmp_path, text), {}).fingerprint == load(write(tmp_path, quoted), {}).fingerprint


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    assert {table["name"] for table in config_engine.schema()} == set(ENGINE_TABLES)
    path = write(tmp_path, "[safety_stock]\ndefault = 0.5\n[receipts]\n[[replenish]]\npoint = 1\ntarget = 2\n")
    config = load(path, {"TALLYSTICK_ENGINE_HISTORY_MAX": "9"})
    found = {(one.table, one.key): (one.value, one.origin) for one in config.describe()}
    assert found["safety_stock", "default"] == ("0.5", f"{path}:2")
    assert found["engine", "history_max"] == ("9", "TALLYSTICK_ENGINE_HISTORY_MAX")
    assert found["engine", "dedup_window"] == ('"24h"', "default")
    assert found["promise", "horizon"] == ("90", "default")
    assert found["claims", "unallocated_pick"] == ('"allow"', "default")
    assert found["replenish 1", "point"] == ("1", f"{path}:5")
    assert found["replenish 1", "window"] == ('"28d"', "default")
    assert found["shipping 1", "from"] == ('"picked"', "default")
    assert found['sources."…"', "order"] == ('"arrival"', "default")
    shown = config.as_toml_text()
    assert {"[receipts]", "# [approvals]", "# horizon = 90  # default"} <= set(shown.splitlines())
    assert all(one.about for one in config.describe())


def test_servers_are_several_addresses() -> None:
    nats = Nats(url="nats://joe:hunter2@a:4222, tls://b:4223")
    assert nats.servers == ["nats://joe:hunter2@a:4222", "tls://b:4223"]
    assert nats.shown == "a:4222, tls://b:4223"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[nats]\nurll = 'x'", 'tallystick.toml:2: [nats] has no key "urll"; did you mean "url"?'),
        ("[nast]\nurl = 'x'", 'tallystick.toml:1: unknown table [nast]; did you mean "nats"?'),
        ("\n\n[zzz]", "tallystick.toml:3: unknown table [zzz]; known are"),
        ("nats = 1", "tallystick.toml:1: nats must be a table"),
        ("[nats]\nurl = 'x", "tallystick.toml:2:"),
        ("[nats]\nurl = 4222", "tallystick.toml:2: nats.url = 4222 does not do; give a text in quotes"),
        ("[nats]\nurl = 'bus:4222'", "give an address such as nats://127.0.0.1:4222"),
        ("[nats]\nurl = 'nats://a:4222,b:4222'", "or several with commas between them"),
        ("[nats]\nurl = 'nats://a:4222,'", "or several with commas between them"),
        ("[input]\n\nreplicas = 9", "tallystick.toml:3: input.replicas = 9 does not do; give a value from 1 to 5"),
        ("[input]\nreplicas = '3'", "give a whole number"),
        ("[input]\nreplicas = true", "give a whole number"),
        ("[input]\nstream = 'a.b'", "give 1 to 64 letters"),
        ("[input]\nsubjects = ['a b']", '"a b" is no subject'),
        ("[output]\navailability_subject = 'a.*'", "without wildcards"),
        ("[output]\navailability_max_age = '7 days'", 'such as "7d"'),
        ("[output]\nexceptions_stream = 'TALLYSTICK_EVENTS'", "three different streams"),
        ("[process]\nlog_level = 'loud'", "debug, info, warning, error"),
        ("[nats]\npassword = 'x'", "nats.password needs nats.user"),
        ("[nats]\npassword_file = 'x'", "nats.password_file needs nats.user"),
        ("[nats]\nuser = 'a'\npassword = 'x'\npassword_file = 'y'", "give one of nats.password, nats.password_file"),
        ("[nats]\ntoken = 'x'\nnkey_seed_file = 'y'", "give one of nats.user, nats.token, nats.token_file"),
        ("[nats]\ninbox_prefix = 'a.>'", "without wildcards"),
        ("[nats]\njetstream_domain = 'a.b'", "give 1 to 64 letters"),
        ("[nats]\nurl = 'nats://a:99999'", "give an address such as"),
        ("[nats]\nurl = 'nats://[::1'", "give an address such as"),
        ("[input]\nstart_sequence = 0", "give a value from 1 to"),
        ("[nats]\ntls_key = 'x'", "go together"),
        ("[nats]\ntoken = 'x'\nuser = 'y'", "give one of"),
        ("[nats]\nembedded_sync = 'often'", "embedded_sync"),
        ("[engine]\n\ndedup_windw = '1h'", "tallystick.toml:3:"),
        ("[engine]\nnegative_stock = 'ignore'", "ignore"),
        ("[engine]\nhistory_max = 0", "tallystick.toml:2: engine.history_max"),
        ("[sources.erp]\nmax_age = 'soon'", "max_age"),
        ("[types.x]\nalias = 'stock.sould'", "stock.sould"),
        ("[engine]\nmax_age = 2026-01-01", 'tallystick.toml:2: engine.max_age: "2026-01-01" is no duration'),
        ("[safety_stock]\ndefault = nan", "inf and nan are no numbers here"),
        (
            "[safety_stock]\n\ndefault = true",
            "tallystick.toml:3: safety_stock.default: true does not do; give a number",
        ),
        ("[safety_stock]\nrules = [{ sku = 1 }]", "tallystick.toml:2: safety_stock.rules[0].sku: 1 does not do"),
        ("# history_max\nengine.history_max = 'x'", 'tallystick.toml:2: engine.history_max: "x" does not do; give a'),
        ("[sources.'a.b']\norder = 3", 'tallystick.toml:2: sources."a.b".order: 3 does not do; give one of "arrival"'),
        ("[[replenish]]\npoint = 1\ntarget = 2\n[[replenish]]\npoint = []", "tallystick.toml:5: replenish[1].point"),
        ("[[replenish]]\npoint = 1", "tallystick.toml:1: replenish[0].target: is missing; give a number"),
        ("[promise.suppliers.acme]\n\nslid = 1", 'tallystick.toml:3: promise.suppliers."acme".slid: there is no such'),
        ("[promise]\nhorizn = 1", 'tallystick.toml:2: promise.horizn: there is no such key; did you mean "horizon"?'),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_cure(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in mistake(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TALLYSTICK_NATS_URI", "x", 'TALLYSTICK_NATS_URI: [nats] has no key "uri"; did you mean "url"?'),
        ("TALLYSTICK_INPUT_REPLICAS", "many", "environment: TALLYSTICK_INPUT_REPLICAS: input.replicas"),
        ("TALLYSTICK_SNAPSHOTS_KEEP", "0", "from 1 to 100"),
        ("TALLYSTICK_ENGINE_HISTORY_MAX", "0", "environment: TALLYSTICK_ENGINE_HISTORY_MAX: engine.history_max: 0"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, value: str, expected: str
) -> None:
    assert expected in mistake(tmp_path, "", {variable: value})


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.toml: No such file or directory; name a readable"):
        load(tmp_path / "gone.toml", {})
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigurationError, match=r"bytes\.toml: byte 5 is not UTF-8"):
        load(tmp_path / "bytes.toml", {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("2m", 120), ("1h", 3_600), ("7d", 604_800), ("none", 0), ("", None), ("5", None)],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert duration_s(text) == seconds
