"""What a bare import may cost, and that the public names are there."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "nats", "uvloop", "polars", "matplotlib", "asyncio")


def _modules_after(code: str) -> set[str]:
    script = f"import sys, json, contextlib, io\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import tallystick",
        "import tallystick, contextlib\nwith contextlib.suppress(AttributeError): tallystick.nothing",
        (
            "import tallystick.cli.app as app, contextlib\n"
            "with contextlib.redirect_stdout(io.StringIO()): assert app.execute(['--help']) == 0"
        ),
        (
            "import tallystick.cli.app as app, contextlib\n"
            "with contextlib.redirect_stdout(io.StringIO()): assert app.execute(['run', '--help']) == 0"
        ),
    ],
    ids=["import", "unknown name", "--help", "run --help"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert _modules_after(code).isdisjoint(HEAVY)


def test_a_bare_import_needs_no_extra() -> None:
    assert _modules_after("import tallystick, tallystick.cli").isdisjoint({"typer", "rich", *HEAVY})


def test_promise_is_there_under_its_public_name() -> None:
    from tallystick import promise
    from tallystick.client import promise as home

    assert home.__all__
    assert all(getattr(promise, name) is getattr(home, name) for name in home.__all__)


def test_public_modules_need_no_import_of_their_own() -> None:
    code = "import tallystick\nassert tallystick.promise.reserve and tallystick.aio.Client and tallystick.records.Atp"
    assert "tallystick.aio" in _modules_after(code)


def test_a_name_means_one_thing() -> None:
    import tallystick

    # To void is to give a reservation back; who takes an event back says so.
    assert not {"void", "correct", "reserve", "post", "change"} & set(tallystick.__all__)
    assert not hasattr(tallystick.promise, "promise"), "Engine.promise asks"
    assert b'"event.voided"' in tallystick.void_event("wms", "1", source="wms")
    assert b'"reservation.voided"' in tallystick.promise.void("shop", "r1")


def test_public_names() -> None:
    import tallystick

    assert set(tallystick.__all__) <= set(dir(tallystick))
    for name in tallystick.__all__:
        assert getattr(tallystick, name) is not None
    assert tallystick.__version__
    with pytest.raises(AttributeError, match="nothing"):
        tallystick.nothing  # noqa: B018
