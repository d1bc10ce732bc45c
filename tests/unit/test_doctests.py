"""Runs the examples in docstrings, those of the engine too, and holds every public name to having one."""

import doctest
import importlib
import io
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Final

import pytest

import tallystick
from tallystick import _engine, client

# They are data; the docstring of the package shows them.
CONSTANTS: Final = {"OUTCOMES", "SCALE"}
# It tells of a fault of the engine itself, which no example can bring about.
UNSHOWN: Final = {"EngineFault", "ForkError"}


def modules() -> Iterator[ModuleType]:
    """The modules that somebody outside reads: the top of the package, the client, and the engine."""
    yield from (tallystick, _engine)
    for package in (tallystick, client):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.ispkg and not found.name.endswith(("__main__", "_engine")):
                yield importlib.import_module(found.name)


def examples() -> list[doctest.DocTest]:
    """One for each object that has any, with the names of its module."""
    finder = doctest.DocTestFinder()
    return [test for module in modules() for test in finder.find(module) if test.examples]


def failures(test: doctest.DocTest) -> str:
    """What doctest reports; nothing if all of it is true."""
    report = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    return report.getvalue()


def docstring(name: str) -> str:
    return getattr(tallystick, name).__doc__ or ""


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_example_is_true(test: doctest.DocTest) -> None:
    assert failures(test) == ""


def test_public_names_have_examples() -> None:
    shown = {*tallystick.__all__} - CONSTANTS
    assert {name for name in shown if not docstring(name).strip()} == set()
    assert {name for name in shown if ">>> " not in docstring(name)} == UNSHOWN
    assert all(name in (tallystick.__doc__ or "") for name in CONSTANTS)


def test_names_of_the_engine_have_docstrings() -> None:
    public = {name: found for name, found in vars(_engine).items() if callable(found)}
    assert public.keys() >= {"Engine", "Inbox", "check_config"}
    assert [name for name, found in public.items() if not (found.__doc__ or "").strip()] == []


def test_false_examples_are_found() -> None:
    def parsed(text: str) -> doctest.DocTest:
        return doctest.DocTestParser().get_doctest(text, {}, "sample", None, None)

    assert failures(parsed(">>> 1 + 1\n2\n")) == ""
    assert "Got:\n    2\n" in failures(parsed(">>> 1 + 1\n3\n"))
    assert {test.name for test in examples()} >= {
        "tallystick",
        "tallystick._engine.Engine",
        "tallystick.quantity.to_decimal",
    }
