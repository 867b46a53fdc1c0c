"""The way along the plan, segment by segment, for many questions at once.

A question is one shipment at one instant. Round by round, each takes the next leg it still has to travel: when the
package leaves, then when it arrives. What all have in common is done for all rows at once; what few have (a hold, an
estimate, positions) row by row. No answer depends on which questions were asked beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.domain import grids, lanes, segments
from app.domain.grids import COUNT, Codes, Grid
from app.domain.lanes import Array
from app.domain.quiet import CLOSE, DEEP, Quiet, quiet_shares
from app.domain.segments import LOST, STOPPED, UNHEARD_FLOOR, Ahead, Contribution, Question, Row
from app.domain.shipment import Leg
from app.domain.spans import MINUTE

AT_ONCE = 32
"""Questions walked side by side: more would not fit the processor's cache."""


@dataclass(frozen=True, slots=True)
class Way:
    """The answer: `heights` cumulate, bin by bin, the share of all outcomes that have arrived."""

    grid: Grid
    heights: Array
    contributions: tuple[Contribution, ...]
    quiet: Quiet


def walk(questions: Sequence[Question]) -> list[Way]:
    """Return the way of each question."""
    found: list[Way] = []
    for first in range(0, len(questions), AT_ONCE):
        found += _Walk([segments.begun(one) for one in questions[first : first + AT_ONCE]]).run()
    return found


class _Walk:
    """Up to `AT_ONCE` ways side by side: when each package gets where it now is, and what is lost on the way."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.shares = np.stack([row.grid.at_once(row.start_at) for row in rows])
        self.heights = np.cumsum(self.shares, axis=1)
        self.lost = np.zeros(len(rows))
        self.quiet: list[Quiet | None] = [None] * len(rows)
        self._step = np.array([float(row.grid.step_minutes) for row in rows])
        self._at = np.array([row.grid.position(row.asked.at) for row in rows])
        self._heard = np.array([row.grid.position(row.asked.heard_at) for row in rows])

    def run(self) -> list[Way]:
        """Walk the legs ahead: the running segment first, then what follows from it."""
        for number in range(max(len(row.ahead) for row in self.rows)):
            here = np.array([i for i, row in enumerate(self.rows) if number < len(row.ahead)])
            rows = [self.rows[i] for i in here]
            ahead = [row.ahead[number] for row in rows]
            self._set_off(here, rows, ahead, self._departures(here, rows, ahead))
            self._reach(here, self._arrivals(here, rows, ahead), [one.leg for one in ahead])
            bases = [segments.transit_basis(row, one) for row, one in zip(rows, ahead, strict=True)]
            self._note_medians(here, rows, ahead, "transit", bases)
        everyone = np.arange(len(self.rows))
        last = [row.asked.legs[-1] for row in self.rows]
        receipts = [
            grids.spectra((row.asked.lanes.receipt(leg.destination),), 0.0, row.grid.step_minutes)[0]
            for row, leg in zip(self.rows, last, strict=True)
        ]
        self._reach(everyone, grids.after(self.shares, np.stack(receipts)), last)
        total = self.heights[:, -1] + self.lost
        heights = (
            np.where(total > UNHEARD_FLOOR, 1.0 / np.maximum(total, UNHEARD_FLOOR), 0.0)[:, None]
            * self.heights
        )
        return [
            Way(row.grid, own, tuple(row.contributions), _judged(row, quiet, float(silent)))
            for row, own, quiet, silent in zip(self.rows, heights, self.quiet, total, strict=True)
            if quiet is not None
        ]

    def _departures(self, here: Codes, rows: list[Row], ahead: list[Ahead]) -> Array:
        """Return when each leaves its origin, given when it got there."""
        departed = np.zeros((len(rows), COUNT))
        waiting = [i for i, one in enumerate(ahead) if one.facts.departed_at is None]
        for i, (row, one) in enumerate(zip(rows, ahead, strict=True)):
            said_at = one.facts.departed_at
            departed[i] = row.grid.at_once(said_at) if said_at else segments.scheduled(row, one)
        linked = [(i, dwell) for i in waiting if (dwell := ahead[i].dwell) is not None]
        if linked:
            which = [i for i, _ in linked]
            own = [grids.spectra((dwell,), 0.0, rows[i].grid.step_minutes)[0] for i, dwell in linked]
            ready = grids.after(self.shares[here[which]], np.array(own))
            for at, (i, dwell) in enumerate(linked):
                if ahead[i].running:
                    ready[at] = segments.still_here(
                        rows[i], segments.freed(rows[i], segments.held(rows[i], ready[at]), dwell), ahead[i]
                    )
            own_rows, own_ahead = [rows[i] for i in which], [ahead[i] for i in which]
            departed[which] = segments.caught(own_rows, own_ahead, ready, departed[which])
        for i in waiting:
            if ahead[i].running and ahead[i].dwell is None:
                departed[i] = segments.still_here(rows[i], segments.held(rows[i], departed[i]), ahead[i])
        return departed

    def _set_off(self, here: Codes, rows: list[Row], ahead: list[Ahead], departed: Array) -> None:
        """Take the way to the departures: facts stand, the others have not been heard of."""
        waiting = np.array(
            [i for i, one in enumerate(ahead) if one.facts.departed_at is None], dtype=np.int64
        )
        stopped = [
            1.0 if one.facts.failed in STOPPED else max(one.known.cancelled_share, LOST) for one in ahead
        ]
        self._reach(
            here[waiting],
            departed[waiting] * (1.0 - np.array(stopped)[waiting])[:, None],
            [ahead[i].leg for i in waiting],
        )
        for i, (row, one) in enumerate(zip(rows, ahead, strict=True)):
            left_at = one.facts.departed_at
            if left_at is not None:
                self.shares[here[i]], self.lost[here[i]] = departed[i], 0.0
                self.heights[here[i]] = np.cumsum(departed[i])
                row.note(one.leg, "dwell", (left_at - one.leg.planned_departure_at) / MINUTE, "reported")
        bases = [segments.dwell_basis(ahead[i]) for i in waiting]
        self._note_medians(
            here[waiting], [rows[i] for i in waiting], [ahead[i] for i in waiting], "dwell", bases
        )

    def _arrivals(self, here: Codes, rows: list[Row], ahead: list[Ahead]) -> Array:
        """Return when what has left arrives: late flights take as long, but less predictably."""
        arrived = segments.travelled(rows, ahead, self.shares[here], self.heights[here])
        for i, (row, one) in enumerate(zip(rows, ahead, strict=True)):
            if one.under_way:
                arrived[i] = segments.resumed(row, arrived[i])
            if one.facts.estimated_arrival_at is not None:
                arrived[i] = segments.believed(row, arrived[i], one.facts.estimated_arrival_at, one.leg)
            seen = segments.seen_on(row, one)
            if seen is not None:
                arrived[i] = segments.blended(
                    row, arrived[i], seen.arrives_at, seen.spread_minutes, seen.weight, segments.SEEN
                )
            if one.under_way:
                arrived[i] = segments.held(row, arrived[i])
            arrived[i] *= 1.0 - (1.0 if one.facts.failed in STOPPED else one.known.diverted_share)
        return arrived

    def _reach(self, here: Codes, shares: Array, legs: Sequence[Leg]) -> None:
        """Take ways to their next event, which has not been heard of either.

        Each way the package may have gone is weighed by how likely all of this silence is on it: it is the forward
        pass of a hidden Markov model. What is cancelled, diverted or past the grid is never heard of and keeps its
        weight, so that it gains on the rest.
        """
        if not len(here):
            return
        self.lost[here] += np.maximum(self.heights[here, -1] - shares.sum(axis=1), 0.0)
        self._listen([at for at, i in enumerate(here) if self.quiet[i] is None], here, shares, legs)
        self._hush(here, shares, legs)
        self.shares[here] = shares
        self.heights[here] = np.cumsum(shares, axis=1)

    def _listen(self, new: list[int], here: Codes, shares: Array, legs: Sequence[Leg]) -> None:
        """Note how long nothing may be heard, once the first event that is awaited is known."""
        if not new:
            return
        rows = [self.rows[here[at]] for at in new]
        nexts = [segments.next_event(row, legs[at]) for row, at in zip(rows, new, strict=True)]
        silent = quiet_shares(
            shares[new],
            self.lost[here[new]],
            steps_minutes=[row.grid.step_minutes for row in rows],
            first=[row.asked.lanes.reporting(legs[at].carrier) for row, at in zip(rows, new, strict=True)],
            then=[one.reporting for one in nexts],
            durations=np.array([one.durations for one in nexts]),
        )
        for row, at, one, own in zip(rows, new, nexts, silent, strict=True):
            own = own if row.hold_lasts is None else row.hold_lasts
            self.quiet[here[at]] = Quiet(row.grid, own, 1.0, one.until)

    def _hush(self, here: Codes, shares: Array, legs: Sequence[Leg]) -> None:
        """Weigh, in place, what may have happened by how likely it has not been heard of yet."""
        bins = np.arange(COUNT) + 0.5
        rows, past = np.nonzero((bins <= self._at[here][:, None]) & (shares > 0.0))
        if not len(rows):
            return
        carriers = [
            self.rows[i].asked.lanes.reporting(leg.carrier) for i, leg in zip(here, legs, strict=True)
        ]
        waited = (self._heard[here][rows] - bins[past]) * self._step[here][rows]
        median = np.array([one.median_minutes for one in carriers])[rows]
        spread = np.array([one.spread for one in carriers])[rows]
        shares[rows, past] *= lanes.unreported_share(waited, median, spread)

    def _note_medians(
        self,
        here: Codes,
        rows: list[Row],
        ahead: list[Ahead],
        segment: Literal["transit", "dwell"],
        bases: Sequence[str],
    ) -> None:
        """Note where the median now lies; a way with nothing left on it keeps its delay."""
        for i, row, one, basis in zip(here, rows, ahead, bases, strict=True):
            heights, delay = self.heights[i], row.delay_minutes
            known = float(heights[-1])
            position = grids.position_of(heights, known / 2) if known > UNHEARD_FLOOR else None
            if position is not None:
                leg = one.leg
                planned_at = leg.planned_departure_at if segment == "dwell" else leg.planned_arrival_at
                delay = (position - row.grid.position(planned_at)) * row.grid.step_minutes
            row.note(one.leg, segment, delay, basis)


def _judged(row: Row, quiet: Quiet, silent: float) -> Quiet:
    """Return the bound of silence from now on, when the whole way says that a share `silent` has been so.

    A hold is heard of first as long as it goes on. One that outlasts all that is known of holds begins anew.
    """
    at, shares = row.grid.position(row.asked.at), quiet.shares
    if row.hold_lasts is not None:
        until = row.grid.instant(float(np.count_nonzero(shares > UNHEARD_FLOOR)))
        return replace(quiet, share=float(shares[max(int(at), 0)]), until=until, exact=not row.hold_anew)
    share = float(np.interp(at, np.arange(COUNT), shares))
    exact = silent >= DEEP and abs(share - silent) <= CLOSE * silent
    return replace(quiet, share=max(share, silent) if exact else share, exact=exact)
