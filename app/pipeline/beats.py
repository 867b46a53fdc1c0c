"""Signs of life of the loops in this process, by the wall clock."""

from datetime import datetime, timedelta

from app.clock import Clock

STALE_AFTER = timedelta(seconds=15)
LAG_MAX_S = 30.0
"""How old what the dispatcher left behind may be. Source: our convention; half of a lease."""


class Beats:
    """When each loop last finished a round; a loop that does not run here has no beat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, datetime] = {}
        self._lag_s = 0.0

    def expect(self, name: str) -> None:
        """Begin to watch a loop that has just been started."""
        self._last[name] = self._clock.wall()

    def assessed(self) -> None:
        """Note a round of the assessor."""
        self._note("scheduler")

    def dispatched(self, lag_s: float) -> None:
        """Note a round of the dispatcher, and how long it has left undone what it could have sent."""
        self._note("dispatcher")
        self._lag_s = lag_s

    def late(self) -> list[str]:
        """Return the loops that should run here and are behind: no round lately, or old work left after it."""
        at = self._clock.wall()
        stale = [name for name, last in self._last.items() if at - last > STALE_AFTER]
        lagging = self._lag_s > LAG_MAX_S and "dispatcher" in self._last and "dispatcher" not in stale
        return stale + (["dispatcher"] if lagging else [])

    def _note(self, name: str) -> None:
        if name in self._last:
            self._last[name] = self._clock.wall()
