"""Promise, under its public name: `tallystick.promise` is documented, where the room it lives in is not."""

from tallystick.client.promise import *  # noqa: F403
