"""The expressions of the dashboard and of the alert rules, and the metrics in them."""

import json
import re
from typing import Any, Final

from tests.sources import ROOT

DEPLOY: Final = ROOT / "deploy"
ALERTS: Final = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD: Final = DEPLOY / "grafana" / "tallystick.json"
_METRIC: Final = re.compile(r"\btallystick_\w+")


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, rows left out."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def of_dashboard() -> list[str]:
    """What its panels ask for."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alerts() -> dict[str, dict[str, str]]:
    """The alert rules by name: expression, command, runbook. The file is ours, so its form is known."""
    found: dict[str, dict[str, str]] = {}
    for block in ALERTS.read_text().split("      - alert: ")[1:]:
        name, _, rest = block.partition("\n")
        expr = re.search(r"expr: >-\n\s+(.*)\n", rest)
        fields = dict(re.findall(r"^ +(summary|command|runbook|severity): \"?(.*?)\"?$", rest, re.MULTILINE))
        assert expr is not None, name
        found[name] = fields | {"expr": expr[1]}
    return found


def metrics_in(expression: str) -> set[str]:
    """The metrics of an expression, histograms by their own name."""
    named = set(_METRIC.findall(re.sub(r'"[^"]*"', "", expression)))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}


def concrete(expression: str, job: str, instance: str) -> str:
    """An expression of the dashboard, with its variables filled in."""
    return expression.replace("$job", job).replace("$instance", instance).replace("$__rate_interval", "1m")
