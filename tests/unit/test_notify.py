"""Notify: what a service manager hears, over a real socket."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.config import ServiceManager, service_manager
from tallystick.daemon.notify import telling
from tallystick.daemon.status import Status
from tests.unit.test_metrics import a_status


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as one:
        one.bind(str(tmp_path / "notify"))
        one.setblocking(False)
        yield one


def heard(manager: socket.socket) -> list[str]:
    lines: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            lines += manager.recv(65_536).decode().splitlines()
    return lines


async def until_heard(manager: socket.socket, word: str) -> list[str]:
    lines: list[str] = []
    async with asyncio.timeout(30):
        while not any(line.startswith(word) for line in lines):
            await asyncio.sleep(0.01)
            lines += heard(manager)
    return lines


async def test_it_is_ready_once_alive_again_and_again_and_stopping_once(manager: socket.socket, tmp_path: Path) -> None:
    current: list[Status | None] = [None]
    async with telling(ServiceManager(str(tmp_path / "notify"), 0.06), lambda: current[0]):
        begins = await until_heard(manager, "WATCHDOG=1")
        assert set(begins) == {"WATCHDOG=1"}
        current[0] = a_status()
        assert (await until_heard(manager, "STATUS=")).count("READY=1") == 1
        await until_heard(manager, "WATCHDOG=1")
        current[0] = a_status(is_stopping=True)
        lines = await until_heard(manager, "STOPPING=1")
        lines += await until_heard(manager, "WATCHDOG=1")
        assert (lines.count("STOPPING=1"), lines.count("READY=1")) == (1, 0)
    heard(manager)
    await asyncio.sleep(0.1)
    assert heard(manager) == []


async def test_a_manager_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    async with telling(ServiceManager(str(tmp_path / "nobody"), 0.03), lambda: None):
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "somewhere"}, None),
        ({"NOTIFY_SOCKET": "/run/n"}, ServiceManager("/run/n", 0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "60000000"}, ServiceManager("@n", 60)),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, ServiceManager("/run/n", 0)),
    ],
)
def test_who_listens_stands_in_the_environment(variables: dict[str, str], found: ServiceManager | None) -> None:
    assert service_manager(variables) == found


async def test_an_abstract_address_is_understood() -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as one:
        one.bind("\0tallystick-test-notify")
        one.setblocking(False)
        async with telling(ServiceManager("@tallystick-test-notify", 0), a_status):
            assert "READY=1" in await until_heard(one, "STATUS=")
