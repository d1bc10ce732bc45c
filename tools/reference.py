"""Reference: the pages of the contract that are tables, from the tables of the product.

`python -m tools.reference` writes docs/reference/; tests/unit/test_reference.py holds the pages to the code. It knows
no rule: types, directives, codes, settings and subjects come from the engine, the package and the scenarios.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_type_hints

from tallystick import OUTCOMES, Outcome, config, config_engine, config_text
from tallystick._engine import default_rules, event_types
from tallystick.bus import questions
from tallystick.bus.requests import REQUEST_KINDS
from tallystick.files.schema_directives import DIRECTIVES
from tests.tables import scenarios
from tests.unit.test_codes import TABLE, codes, told_by
from tools import python_page
from tools.python_page import wrapped

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs" / "reference"
_SILENT: Final = ("applied", "duplicate", "held", "absorbed", "observed")
"""Outcomes that are no exception by themselves (docs/events.md §8)."""
_SETTLED: Final = {"Accepted": "an event under its key that is accepted", "ByHand": "hand"}
_ESCAPED: Final = '\\"'
_QUOTE: Final = '"'
_FORM: Final = {"table": "[{}]", "named": '[{}."NAME"]', "tables": "[[{}]]"}
_KINDS: Final = {str: "text", int: "whole number", float: "number", Path: "path", bool: "true or false"}


def _page(title: str, reader: str, *sections: str) -> str:
    head = f"# {title}\n\n{reader}\nThis page is made by `python -m tools.reference`; do not edit it.\n"
    return "\n".join([head, *sections])


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += ["|" + "".join(f" {_cell(cell)} |" if cell else " |" for cell in row) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text in a table. What stands between backquotes needs no other care than pipes."""
    return (text if "`" in text else text.replace("<", "&lt;").replace("_", "\\_")).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


def types() -> str:
    """Types of events that move stock."""
    known = event_types("")["types"]
    rules = tomllib.loads(default_rules())["types"]
    rows = []
    for name, rule in rules.items():
        moves = "; ".join(f"{_code(a)} → {_code(b)}" for a, b in rule.get("postings", [])) or "sets `on_hand`"
        step = f"{rule['flow']}{', given back' if rule.get('back') else ''}" if "flow" in rule else ""
        quantity = {"positive": "> 0", "signed": "≠ 0", "count": "≥ 0"}[rule["quantity"]]
        places = [*_statuses(known[name]), *(["`to_location`"] if known[name]["needs_to_location"] else [])]
        rows.append([_code(name), quantity, moves, "; ".join(places), step, rule.get("exception", "")])
    return _page(
        "Types",
        "For whoever sends events of stock. What the words mean: [events.md](../events.md) §4.",
        wrapped(
            "Each moves `quantity` from one account to another. `to_status` and `from_status` stand for the account "
            "that the event names. With a `document`, a type that takes a step of a line posts its physical legs only."
        ),
        _table(("type", "quantity", "moves", "names, beside SKU and location", "step of a line", "raises"), rows),
        "`tallystick schema` prints the same for your tools, with the types and aliases of your configuration.\n",
    )


def _statuses(rule: Any) -> Iterator[str]:
    for name in ("from_status", "to_status"):
        if status := rule[name]:
            allowed = ", ".join(map(_code, status["allowed"]))
            default = f"; else {_code(status['default'])}" if status["default"] else ", needed"
            yield f"`{name}`: {allowed}{default}"


def directives() -> str:
    """Types of events that are about events, exceptions, master data and promises."""
    about = _about_directives()
    rows = []
    for name, members in event_types("")["directives"].items():
        asked = DIRECTIVES[name]
        needed = asked.required
        request = [member for kind in REQUEST_KINDS if kind.type == name for member in kind.members]
        known = dict.fromkeys([*members, *asked.members, *request])
        others = [member for member in known if member not in needed]
        rows.append([_code(name), ", ".join(map(_code, needed)), ", ".join(map(_code, others)), about[name]])
    return _page(
        "Directives",
        "For whoever corrects, decides, defines or promises: [truth.md](../truth.md), [promise.md](../promise.md).",
        wrapped(
            "Every directive has `id`, `source` and `type`, and may have `time`, `reason` and `person`. Its members "
            "stand under `data`, or beside the attributes."
        ),
        _table(("type", "needed", "allowed", "what it does"), rows),
    )


def _about_directives() -> dict[str, str]:
    """What each directive does, from the tables of the contract: a row may name several."""
    found: dict[str, str] = {}
    for name in ("truth.md", "promise.md"):
        text = (ROOT / "docs" / name).read_text("utf-8")
        table = re.search(r"^\| type \| members \| what it does \|\n((?:\|.*\n)+)", text, re.MULTILINE)
        assert table is not None, name
        for row in table[1].splitlines()[1:]:
            named, _, what = (cell.strip() for cell in row.strip("|").split(" | "))
            found |= dict.fromkeys(re.findall(r"`([a-z.]+)`", named), what)
    return found


def outcomes() -> str:
    """What may become of an event."""
    rows = []
    for name, number in OUTCOMES.items():
        outcome = Outcome(number)
        raises = "no" if name in _SILENT else "yes"
        rows.append([str(number), _code(name), outcome.words, "yes" if outcome.is_final else "no", raises])
    return _page(
        "Outcomes",
        "For whoever reads answers. Every event gets one final outcome; precedence: [events.md](../events.md) §8.",
        "A number is never reused. In Python, `tallystick.Outcome` has them, and `Batch.outcomes` holds the numbers.\n",
        _table(("number", "outcome", "meaning", "final", "an exception"), rows),
        "`applied` raises one all the same where stock crosses below zero or a rule points something out\n"
        "([codes](codes.md)). `insufficient` raises none where the caller was told.\n",
    )


def exception_codes() -> str:
    """What may be out of order."""
    causes: dict[str, str] = {}
    for exception in (each for scenario in scenarios() for batch in told_by(scenario) for each in batch.exceptions):
        causes.setdefault(exception.code, exception.cause)
    parts = []
    for name, severity, owner, settled, cure in codes(TABLE):
        whose = "IT" if owner == "It" else owner.lower()
        parts += [
            f"## {name}\n",
            f"*{severity.lower()}, {whose}; settled by: {_SETTLED.get(settled, settled)}*\n",
            wrapped(f"**Such as:** {_plain(causes[name])}"),
            wrapped(f"**Cure:** {_plain(_commands(cure.replace(_ESCAPED, _QUOTE)))}"),
        ]
    return _page(
        "Codes of exceptions",
        "For whoever owns exceptions. How they are worked on: [exceptions.md](../exceptions.md).",
        "Owners change with `[exceptions.owners]`. Each cause here is one that the engine wrote in a scenario.\n",
        *parts,
    )


def _commands(text: str) -> str:
    """Commands of a cure as code, so that they can be copied."""
    return re.sub(
        r"tallystick [a-z-]+(?: [a-z-]+)?(?: (?:--code [a-z_]+|--[a-z-]+|[A-Z][A-Z_=/…]*|code=\w+))*",
        lambda m: _code(m[0]),
        text,
    )


def _plain(text: str) -> str:
    """Text of the engine as Markdown: names with an underscore as code, and no markup of its own."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [
        re.sub(r"[\w.]*\w_[\w.]*\w|\*|\[\[?[\w.]+\]\]?", lambda m: _code(m[0]), part).replace("<", "&lt;")
        for part in parts[::2]
    ]
    return "".join(parts)


def configuration() -> str:
    """Every setting."""
    parts = ["## What the process does\n", "None of these changes a result.\n"]
    for name, kind in config.PROCESS_TABLES.items():
        hints = get_type_hints(kind)
        rows = []
        for one in fields(kind):
            default = "" if one.default is None else _code(config_text.render(_value(one.default)))
            variable = config_engine.variable(name, one.name)
            rows.append([_code(one.name), _form(hints[one.name]), default, _code(variable), one.metadata["about"]])
        parts += [f"### [{name}]\n", _table(("key", "form", "default", "variable", "meaning"), rows)]
    parts += [
        "## What changes results\n",
        wrapped(
            "The fingerprint of these stands in every snapshot. Keys of `[engine]`, and `safety_stock.default`, have a "
            "variable, such as `TALLYSTICK_ENGINE_DEDUP_WINDOW`. `configuration.changed` changes some while the daemon "
            "runs."
        ),
    ]
    for table in config_engine.schema():
        parts += [
            f"### {_FORM[table['form']].format(table['name'])}\n",
            f"{table['about'].capitalize()}.\n",
            _table(("key", "form", "default", "meaning"), _keys(table["keys"], "")),
        ]
    return _page(
        "Configuration",
        "For whoever runs it. `tallystick config show` prints what is in force, with its origin.",
        "A file is TOML ([daemon.md](../daemon.md) has one). What the environment says wins over the file.\n",
        *parts,
    )


def _value(default: Any) -> Any:
    return str(default) if isinstance(default, Path) else list(default) if isinstance(default, tuple) else default


def _form(hint: Any) -> str:
    kinds = [kind for kind in getattr(hint, "__args__", (hint,)) if kind not in (type(None), ...)]
    name = _KINDS.get(kinds[0], "text")
    return f"list of {name}s" if getattr(hint, "__origin__", None) is tuple else name


def _keys(keys: Iterable[Any], prefix: str) -> Iterator[list[str]]:
    for key in keys:
        name, form = f"{prefix}{key['name']}", key["form"]
        shown = {"value": _kind(key["default"]), "tables": "tables", "named": "tables by name", "table": "table"}[form]
        default = "" if key["default"] is None else _code(key["default"])
        yield [_code(name), shown, default, key["about"]]
        inner = {"tables": f"{name}[].", "named": f"{name}.NAME.", "table": f"{name}."}.get(form, "")
        yield from _keys(key.get("keys", []), inner)


def _kind(default: str | None) -> str:
    """The form of a value that has a default; of others the engine's message says it."""
    if default is None:
        return ""
    value = json.loads(default) if default[:1] != "{" else {}
    if isinstance(value, str) and config.duration_s(value):
        return "duration"
    return {bool: "true or false", int: "whole number", float: "number", str: "text", list: "list"}.get(
        type(value), "table"
    )


def subjects() -> str:
    """Streams, questions and requests."""
    settings = config.load(None, {})
    output = settings.output
    streams = [
        [_code(settings.input.stream), ", ".join(map(_code, settings.input.subjects)), "in", "events, one or many"],
        [_code(output.availability_stream), _code(output.availability_subject), "out", "what changed, by position"],
        [_code(output.exceptions_stream), _code(output.exceptions_subject), "out",
         "exceptions, what becomes of them, replenishment"],
    ]  # fmt: skip
    asked = [[_code(one.subject), ", ".join(map(_code, one.members)), one.cure] for one in questions.QUESTIONS]
    plain = [
        [_code(questions.STATUS_SUBJECT), "", "send {}"],
        [_code(questions.ATP_SUBJECT), "`sku`, `location`", 'send {"sku": "…", "location": "…"}'],
        [
            _code(questions.PROMISE_SUBJECT),
            "[atp.md](../atp.md)",
            'send {"positions": [{"sku": "…", "location": "…"}]}',
        ],
    ]
    requests = [[_code(one.subject), _code(one.type), ", ".join(map(_code, one.members))] for one in REQUEST_KINDS]
    return _page(
        "Streams and subjects",
        "For whoever speaks NATS. `tallystick schema --format asyncapi` prints all of it as AsyncAPI 3.0.",
        "## Streams\n",
        _table(("stream", "subjects", "way", "what"), streams),
        "Names and subjects are settings: `[input]`, `[output]`. What goes out: [events.md](../events.md) §9.\n",
        "## Questions\n",
        "A question is a JSON object by NATS request-reply; the answer is one message of JSON. What is wrong with a\n"
        "question stands in the header `Nats-Service-Error`.\n",
        _table(("subject", "members", "such as"), ([*row, _example(cure)] for *row, cure in [*plain, *asked])),
        "## Requests\n",
        "Each becomes an event of the log, and the answer comes once it is decided. `source` is needed; `id` makes a\n"
        "repetition safe.\n",
        _table(("subject", "becomes", "members"), requests),
    )


def _example(cure: str) -> str:
    """The cure of a bad question shows a good one."""
    return re.sub(r"\{.*\}", lambda shown: _code(shown[0]), cure.removeprefix("send "))


PAGES: Final[dict[str, Callable[[], str]]] = {
    "types.md": types,
    "directives.md": directives,
    "outcomes.md": outcomes,
    "codes.md": exception_codes,
    "configuration.md": configuration,
    "subjects.md": subjects,
    "python.md": python_page.page,
}
"""Each page, by its name in docs/reference."""


def main() -> None:
    """Writes the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
