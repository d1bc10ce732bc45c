"""Aio: the client for asyncio, under its public name: what `tallystick.Client` is for threads."""

from tallystick.client.client import Client

__all__ = ["Client"]
