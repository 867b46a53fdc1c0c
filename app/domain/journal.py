"""What stands in the record, and in which order it happened: corrections applied, clocks reconciled."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from app.domain.legfacts import as_instant
from app.domain.observation import Event, Location
from app.domain.placement import CLOCK_TOLERANCE, candidates
from app.domain.shipment import Leg

JOURNEY_TYPES: Final = (
    "released", "replanned", "device_attached", "estimate", "position", "picked_up", "departed", "arrived",
    "handed_over", "customs_entered", "customs_cleared", "held", "resumed", "offloaded", "refused",
    "leg_cancelled", "damaged", "out_for_delivery", "delivery_attempted", "delivered", "received",
    "device_detached", "assayed", "first_puncture", "administered", "not_administered", "disposition",
    "disposed", "returned", "lost", "cancelled", "correction",
)  # fmt: skip
"""Types by their place in a journey, which orders events of one instant. Source: the contract."""
_RANK: Final = {name: rank for rank, name in enumerate(JOURNEY_TYPES)}

_STEP: Final = {"picked_up": 0, "departed": 1, "out_for_delivery": 1, "arrived": 2, "delivered": 3}
"""Types that the plan puts in order within a leg; `received` follows them all."""
_REPLACEABLE: Final = frozenset({"type", "leg", "dose", "reason"})

Revision = dict[str, Any]
Entry = tuple[Event, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What corrections made of one event: which ones, and what stands now; None: it is void."""

    corrected_by: tuple[str, ...]
    standing: Event | None


def corrected(events: Iterable[Event]) -> list[Event]:
    """Return the events that stand once all corrections are applied; corrections are not among them.

    Corrections of one event apply in the order of their own times: replacements add up, one without a
    replacement voids, a replacement after that restores. A voided correction never was. Corrections that
    correct each other in a circle all drop out. A correction speaks of the record, not of the journey: it
    counts as soon as it is known, whatever its own `effective_at`.
    """
    recorded = list(events)
    corrections = [event for event in recorded if event.type == "correction"]
    if not corrections:
        return recorded
    revisions = _revisions(corrections, _targets(recorded, corrections))
    standing = []
    for event in recorded:
        revision = revisions.get(event.id, {})
        if event.type != "correction" and revision is not None:
            standing.append(_revised(event, revision) if revision else event)
    return standing


def rulings(events: Iterable[Event]) -> dict[str, Ruling]:
    """Return server id → what corrections made of it, for every event that any correction names."""
    recorded = list(events)
    corrections = [event for event in recorded if event.type == "correction"]
    targets = _targets(recorded, corrections)
    revisions = _revisions(corrections, targets)
    named: dict[str, list[str]] = defaultdict(list)
    for correction in sorted(corrections, key=_key):
        if correction.id in targets and revisions.get(correction.id, {}) is not None:
            named[targets[correction.id]].append(correction.id)
    by_id = {event.id: event for event in recorded}
    return {
        target: Ruling(
            corrected_by=tuple(ids),
            standing=None
            if revisions.get(target, {}) is None
            else _revised(by_id[target], revisions.get(target) or {}),
        )
        for target, ids in named.items()
    }


def _targets(recorded: Sequence[Event], corrections: Sequence[Event]) -> dict[str, str]:
    """Return server id of correction → server id of what it corrects; an `event_id` is the sender's own."""
    by_id = {event.id: event.id for event in recorded}
    by_sender = {(event.source, event.event_id): event.id for event in recorded}
    found = {}
    for correction in corrections:
        name = str(correction.details.get("corrects"))
        target = by_id.get(name) or by_sender.get((correction.source, name))
        if target is not None:
            found[correction.id] = target
    return found


def _revisions(corrections: Sequence[Event], targets: Mapping[str, str]) -> dict[str, Revision | None]:
    """Return server id → fields to override, None for void; corrections nobody corrects are settled first."""
    unsettled = Counter(targets.values())
    by_id = {correction.id: correction for correction in corrections}
    against: dict[str, list[tuple[Event, Revision]]] = defaultdict(list)
    ready = [correction for correction in corrections if correction.id not in unsettled]
    while ready:
        correction = ready.pop()
        target = targets.get(correction.id)
        own = _combined(against.get(correction.id, []))
        if target is None:
            continue
        if own is not None:
            against[target].append((correction, own))
        unsettled[target] -= 1
        if target in by_id and unsettled[target] == 0:
            ready.append(by_id[target])
    return {target: _combined(found) for target, found in against.items()}


def _combined(against: list[tuple[Event, Revision]]) -> Revision | None:
    """Return what corrections of one event make of it; a corrected correction keeps its target."""
    void, fields = False, dict[str, Any]()
    for correction, own in sorted(against, key=lambda pair: _key(pair[0])):
        replacement = (own.get("details") or correction.details).get("replacement")
        void = replacement is None
        fields |= replacement or {}
    return None if void else fields


def _revised(event: Event, revision: Revision) -> Event:
    """Return the event with the fields of `revision`; a restated time is the true one, without skew."""
    fields = {name: value for name, value in revision.items() if name in _REPLACEABLE}
    if "occurred_at" in revision:
        fields["occurred_at"] = fields["effective_at"] = as_instant(revision["occurred_at"])
    fields["details"] = revised_details(event, revision)
    if "location" in revision:
        location = revision["location"]
        fields["location"] = Location(**location) if isinstance(location, dict) else location
    return replace(event, **fields)


def revised_details(event: Event, revision: Revision) -> dict[str, Any]:
    """Return the details that `revision` leaves: what it does not restate stays, unless the type is another."""
    restated = revision.get("details") or {}
    same = revision.get("type") in {None, event.type}
    return event.details | restated if same else dict(restated)


def journey_order(events: Iterable[Event], legs: Sequence[Leg]) -> list[Event]:
    """Return the events as they happened, the same for every order of arrival.

    First the total order (effective_at, type's place in a journey, source, event_id). Then, because two
    sources' clocks disagree, steps of the plan that stand inverted by at most 15 minutes change places: going
    through the total order, each event first lets those go ahead that the plan puts before it, together
    with what their own source said earlier. Never inverted: what one source says at different instants, and
    what is more than 15 minutes apart. Where these wishes contradict each other, the total order decides.
    """
    ordered = sorted(events, key=_key)
    entries = [(event, _plan_place(event, legs)) for event in ordered]
    placed = [entry for entry in entries if entry[1] is not None]
    if not any(_is_overtaken(placed, index) for index in range(len(placed))):
        return ordered
    result = []
    while entries:
        result.append(entries.pop(_next(entries))[0])
    return result


def _key(event: Event) -> tuple[datetime, int, str, str]:
    return event.effective_at, _RANK.get(event.type, len(_RANK)), event.source, event.event_id


def _plan_place(event: Event, legs: Sequence[Leg]) -> int | None:
    """Return the event's place along the plan; None when it has no fixed one, or its leg is not certain."""
    if event.type == "received":
        return legs[-1].number * len(_STEP) + len(_STEP) - 1
    step = _STEP.get(event.type)
    if step is None:
        return None
    fits = candidates(event, legs)
    return fits[0] * len(_STEP) + step if len(fits) == 1 else None


def _is_overtaken(entries: Sequence[Entry], index: int) -> bool:
    return _later_blocker(entries, index) is not None


def _later_blocker(entries: Sequence[Entry], index: int) -> int | None:
    """Return the first later entry that the plan puts before this one and the clocks' tolerance allows."""
    event, own = entries[index]
    if own is None:
        return None
    for later in range(index + 1, len(entries)):
        other, place = entries[later]
        apart = other.effective_at - event.effective_at
        if apart > CLOCK_TOLERANCE:
            return None
        if place is not None and place < own and (other.source != event.source or not apart):
            return later
    return None


def _blocker(entries: Sequence[Entry], index: int) -> int | None:
    """Return an entry that must go first: an earlier one up to this one's place, or a later one before it."""
    own = entries[index][1]
    if own is not None:
        for earlier in range(index):
            place = entries[earlier][1]
            if place is not None and place <= own:
                return earlier
    return _later_blocker(entries, index)


def _next(entries: Sequence[Entry]) -> int:
    """Return the index of the entry whose turn it is: the first, unless what it waits for can go ahead."""
    index, seen = 0, {0}
    latest_at = entries[0][0].effective_at + CLOCK_TOLERANCE
    while (blocker := _blocker(entries, index)) is not None:
        event = entries[blocker][0]
        index = next(
            found
            for found, (other, _) in enumerate(entries)
            if found == blocker or (other.source == event.source and other.effective_at < event.effective_at)
        )
        if index in seen or entries[index][0].effective_at > latest_at:
            return 0
        seen.add(index)
    return index
