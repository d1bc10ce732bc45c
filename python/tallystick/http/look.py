"""Look: what HTTP may see of a daemon. The pipeline is one."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tallystick._engine import Engine
    from tallystick.daemon.measures import Measures
    from tallystick.daemon.status import Status


class Daemon(Protocol):
    """A daemon, from its start on."""

    def status(self) -> "Status | None":
        """How it is; None while it begins."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop, while it begins, too."""

    @property
    def engine(self) -> "Engine | None":
        """The ledger, for questions; None while it begins."""

    @property
    def measures(self) -> "Measures | None":
        """What is measured beside the work; None where nobody looks at it."""

    @property
    def is_sound(self) -> bool:
        """Whether the engine found no fault in itself."""
