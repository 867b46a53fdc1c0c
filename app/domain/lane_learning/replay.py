"""A leg history gone through in strict order of time, day by day: learn what has ended, then forecast the day.

Whatever is asked at an instant rests on what was known by then: tables hold the legs that had ended by the morning
of that day, and the same day's signals the departures and arrivals before the very instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from app.domain.lane_learning.departures import WHENS, When
from app.domain.lane_learning.history import DAY_MINUTES, Codes, Columns
from app.domain.lane_learning.model import LaneModel
from app.domain.lane_learning.sameday import DESTINATION_MINUTES, Arrivals, Departures
from app.domain.lanes import Array

MORNING_MINUTES: Final = 420.0
"""Tables are renewed at 07:00 UTC: the hour at which the fewest of the flights tried on were in the air."""

AHEAD_MINUTES: Final = 120.0


@dataclass(slots=True)
class Replay:
    """The state of the way through a history of one mode; `day` yields the mornings in order."""

    legs: Columns
    model: LaneModel
    same_day: bool = True
    """Whether the day's departures and arrivals of other legs are looked at."""
    awaited: bool = True
    """Whether other legs are known to be planned before they leave, so that their silence tells, too."""
    _departures: Departures = field(init=False)
    _arrivals: Arrivals | None = field(init=False, default=None)
    _congestion: dict[When, Array] = field(init=False)
    _same_day: Array = field(init=False)
    _finished: Array = field(init=False)

    def __post_init__(self) -> None:
        """Index the history."""
        count = len(self.legs)
        self._departures = Departures(self.legs, awaited=self.awaited)
        self._congestion = {when: np.full(count, np.nan) for when in WHENS}
        self._same_day = np.zeros(count)
        self._finished = self.legs.finished

    def days(self) -> Iterator[tuple[float, float]]:
        """Go through the days; at each yield the model knows what had ended by that morning."""
        first = float(self.legs.planned_departure.min())
        last = float(np.nanmax(self._finished))
        morning = np.floor(first / DAY_MINUTES) * DAY_MINUTES + MORNING_MINUTES - DAY_MINUTES
        before = -np.inf
        while morning < last + DAY_MINUTES:
            self.model.advance(morning)
            ended = np.flatnonzero((self._finished > before) & (self._finished <= morning))
            if len(ended):
                self.model.learn(self.legs.take(ended), *self.signals(ended))
            evening = morning + DAY_MINUTES
            self._watch(morning, evening)
            yield morning, evening
            before, morning = morning, evening

    def congestion(self, legs: Columns, at: Array, *, waited: Array | None = None) -> Array:
        """Return the delays at the legs' origins as known at `at`."""
        if not self.same_day:
            return np.full(len(legs), np.nan)
        return self._departures.delay(legs.codes["origin"], at, waited=waited)

    def correction(self, legs: Columns, at: Array) -> Array:
        """Return what today's arrivals add to the legs' expected block times, as known at `at`."""
        if not self.same_day or self._arrivals is None:
            return np.zeros(len(legs))
        return self._arrivals.correction(legs.codes["destination"], at)

    def signals(self, legs: Codes) -> tuple[dict[When, Array], Array]:
        """Return what the same day told when these legs began."""
        return {when: self._congestion[when][legs] for when in WHENS}, self._same_day[legs]

    def _watch(self, morning: float, evening: float) -> None:
        """Note, for the legs of this day, what the day's own signals said when it mattered."""
        legs = self.legs
        window = (legs.arrived > morning - DESTINATION_MINUTES) & (legs.arrived <= evening)
        seen = legs.take(np.flatnonzero(window & ~np.isnan(legs.departed)))
        self._arrivals = Arrivals.of(
            seen.codes["destination"], seen.arrived, self.model.blocks.surprise(seen)
        )
        asked: tuple[tuple[When, Array], ...] = (
            ("ahead", legs.planned_departure - AHEAD_MINUTES),
            ("due", legs.planned_departure),
        )
        for when, instants in asked:
            today = np.flatnonzero((instants >= morning) & (instants < evening))
            self._congestion[when][today] = self.congestion(legs.take(today), instants[today])
        today = np.flatnonzero((legs.departed >= morning) & (legs.departed < evening))
        self._same_day[today] = self.correction(legs.take(today), legs.departed[today])


def teach(legs: Columns, model: LaneModel, *, until: float, awaited: bool) -> None:
    """Teach a model all legs that ended by `until`, with what the days of the past showed when they began.

    A departure is taken as known when it happened; `awaited` must say whether that will hold for legs that wait.
    """
    replay = Replay(legs, model, awaited=awaited)
    learned_until = -np.inf
    for morning, evening in replay.days():
        learned_until = morning
        if evening > until:
            break
    finished = legs.finished
    rest = np.flatnonzero((finished > learned_until) & (finished <= until))
    model.advance(until)
    if len(rest):
        model.learn(legs.take(rest), *replay.signals(rest))
