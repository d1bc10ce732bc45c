"""Examine: all checks, in the order in which one builds on the other."""

from collections.abc import AsyncIterator
from pathlib import Path

from tallystick import config as configuration
from tallystick.bus.connection import connect
from tallystick.doctor import daemons, files, server
from tallystick.doctor.finding import Finding, of_error, ok
from tallystick.errors import ConfigurationError, OperationError


async def examine(path: Path | None, url: str | None = None) -> AsyncIterator[Finding]:
    """Yields what is found about an installation. `url` is a server in place of the configured one."""
    from dataclasses import replace

    try:
        config = configuration.load(path)
    except ConfigurationError as error:
        yield of_error("configuration", error)
        return
    if url is not None:
        config = replace(config, nats=replace(config.nats, url=url))
    given = sum(setting.origin != "default" for setting in config.describe())
    yield ok("configuration", f"{path or 'defaults and environment'}: {given} settings given, all valid")
    snapshots, findings = files.snapshots_of(config)
    for finding in (*findings, *files.examine(config, snapshots)):
        yield finding
    try:
        client = await connect(config.nats)
    except OperationError as error:
        yield of_error("server", error)
        return
    try:
        async for finding in server.examine(client, config, snapshots):
            yield finding
        async for finding in daemons.examine(client, config):
            yield finding
    finally:
        await client.close()
