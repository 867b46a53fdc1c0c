"""Questions about many shipments answered together: a forecast costs a fraction beside others of what it costs alone.

Whoever needs an arrival yields what is asked of it and is sent the answer. So one shipment's judgement reads from top
to bottom, and a hundred of them go on together, each as far as its next question.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

from app.domain import eta
from app.domain.eta import Arrival, Asked

T = TypeVar("T")
Asking = Generator[Asked, Arrival, T]


def side_by_side(asking: Sequence[Asking[T]]) -> list[T | Exception]:
    """Return what each comes to, or the error that it ended in; none depends on the others."""
    found: dict[int, T | Exception] = {}
    answers: dict[int, Arrival | Exception | None] = dict.fromkeys(range(len(asking)))
    while answers:
        asked: dict[int, Asked] = {}
        for number, answer in answers.items():
            try:
                asked[number] = _go_on(asking[number], answer)
            except StopIteration as end:
                found[number] = end.value
            except Exception as error:  # noqa: BLE001 - it ends this one and stops no other
                found[number] = error
        answers = dict(zip(asked, _answered(list(asked.values())), strict=True))
    return [found[number] for number in range(len(asking))]


def alone(asking: Asking[T]) -> T:
    """Return what one comes to, or raise what it ended in."""
    (found,) = side_by_side([asking])
    if isinstance(found, Exception):
        raise found
    return found


def _go_on(asking: Asking[T], answer: Arrival | Exception | None) -> Asked:
    if answer is None:
        return next(asking)
    return asking.throw(answer) if isinstance(answer, Exception) else asking.send(answer)


def _answered(asked: Sequence[Asked]) -> Sequence[Arrival | Exception]:
    """Return the arrivals; where one spoils it for all, each is asked alone, and it is sent the error."""
    try:
        return eta.arrivals(asked)
    except Exception:  # noqa: BLE001 - told to whoever asked
        return [_answered_alone(one) for one in asked]


def _answered_alone(asked: Asked) -> Arrival | Exception:
    try:
        return eta.arrivals([asked])[0]
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        return error
