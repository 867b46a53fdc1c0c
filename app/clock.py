"""The only reader of the wall clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import Invalid


class BadClock(Invalid):
    """`DOSETRAIL_CLOCK` is neither `real` nor `<RFC 3339 instant>@<rate>`."""

    code = "bad_clock"


def wall_now() -> datetime:
    """Return the wall clock's instant, aware and in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where an accelerated clock began: at `wall_at` it read `domain_at`, and it runs `rate` times as fast."""

    wall_at: datetime
    domain_at: datetime
    rate: float


@dataclass(frozen=True, slots=True)
class Clock:
    """Domain time for what happens to doses, wall time for leases, ladders and webhook timestamps."""

    anchor: Anchor | None = None
    wall: Callable[[], datetime] = wall_now

    @property
    def rate(self) -> float:
        """How many domain seconds pass in a wall second."""
        return self.anchor.rate if self.anchor else 1.0

    def now(self) -> datetime:
        """Return the domain instant; equal to the wall's unless the clock is accelerated."""
        wall_at = self.wall()
        if self.anchor is None:
            return wall_at
        return self.anchor.domain_at + (wall_at - self.anchor.wall_at) * self.anchor.rate


def parse_clock(text: str, *, wall_at: datetime) -> Anchor | None:
    """Read `real` (None) or `2026-01-01T00:00:00Z@60`: begin there at `wall_at` and run 60 times as fast.

    Raises:
        BadClock: any other text, a time without offset, or a rate that is not positive.
    """
    if text == "real":
        return None
    instant, _, rate = text.partition("@")
    try:
        domain_at, speed = datetime.fromisoformat(instant), float(rate)
    except ValueError as error:
        raise BadClock(f"clock {text!r}: write `real` or `2026-01-01T00:00:00Z@60`") from error
    if domain_at.tzinfo is None or not 0 < speed < 1e6:
        raise BadClock(f"clock {text!r}: the instant needs an offset and the rate must be between 0 and 1e6")
    return Anchor(wall_at=wall_at, domain_at=domain_at.astimezone(UTC), rate=speed)
