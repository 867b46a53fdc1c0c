"""Signs of life of the loops in this process, by the wall clock."""

from datetime import datetime, timedelta

from app.clock import Clock

STALE_AFTER = timedelta(seconds=15)


class Beats:
    """When each loop last finished a round; a loop that does not run here has no beat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, datetime] = {}

    def expect(self, name: str) -> None:
        """Begin to watch a loop that has just been started."""
        self._last[name] = self._clock.wall()

    def assessed(self) -> None:
        """Note a round of the assessor."""
        self._note("scheduler")

    def dispatched(self) -> None:
        """Note a round of the dispatcher."""
        self._note("dispatcher")

    def late(self) -> list[str]:
        """Return the loops that should run here and have not finished a round lately."""
        at = self._clock.wall()
        return [name for name, last in self._last.items() if at - last > STALE_AFTER]

    def _note(self, name: str) -> None:
        if name in self._last:
            self._last[name] = self._clock.wall()
