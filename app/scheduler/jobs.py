"""What a tick does."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import DosetrailError
from app.pipeline.house import House
from app.store import due
from app.telemetry import log


async def assess_due(house: House) -> int:
    """Assess all that is due, the most urgent first, and note how long it waited; return how many were due."""
    done = 0
    with _next_tick_tries_again(house, put_off="no assessment now", failed="assessing failed", kind="tick"):
        async with house.db.reading() as connection:
            oldest_at = await due.oldest_due_at(connection, at=house.clock.now())
        waited = house.clock.now() - oldest_at if oldest_at else None
        house.metrics.due_lag_s.set(waited.total_seconds() / house.clock.rate if waited else 0.0)
        while count := await house.assessor.run_due():
            done += count
        house.beats.assessed()
    return done


async def attend_due(house: House) -> int:
    """Wake alerts whose snooze has ended, and tell others of those nobody answered; return how many were due."""
    done = 0
    for work in (house.handling.wake_due, house.escalations.run_due):
        with _next_tick_tries_again(
            house, put_off="alerts not attended now", failed="attending alerts failed", kind="attend"
        ):
            while count := await work():
                done += count
    if done:
        house.dispatch.wake()
    return done


async def publish_lanes(house: House) -> int:
    """Publish lane statistics and the day's signals where there is news; return how many sets."""
    published = 0
    with _next_tick_tries_again(
        house, put_off="no lane statistics now", failed="publishing lane statistics failed", kind="lanes"
    ):
        published += await house.lanes.publish_due()
        published += await house.day.publish_due()
    return published


async def keep_house(house: House) -> None:
    """Seal what the audit holds below its safe horizon, and drop answers that are too old to be repeated."""
    with _next_tick_tries_again(house, put_off="no upkeep now", failed="upkeep failed", kind="upkeep"):
        while await house.seals.seal():
            pass
        await house.idempotency.forget()


@contextmanager
def _next_tick_tries_again(house: House, *, put_off: str, failed: str, kind: str) -> Iterator[None]:
    """End what fails here, the loop's edge: told in the log, and counted unless it is only a matter of waiting."""
    try:
        yield
    except DosetrailError as error:
        log.warning(put_off, code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001 - the loop's edge: the next tick tries again
        log.error(failed, exc_info=error)
        house.metrics.assess_failures.labels(kind=kind).inc()
