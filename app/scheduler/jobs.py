"""What a tick does."""

from app.errors import DosetrailError
from app.pipeline.house import House
from app.store import due
from app.telemetry import log


async def assess_due(house: House) -> int:
    """Assess all that is due, the most urgent first, and note how long it waited; return how many were due."""
    done = 0
    try:
        async with house.db.reading() as connection:
            oldest_at = await due.oldest_due_at(connection, at=house.clock.now())
        waited = house.clock.now() - oldest_at if oldest_at else None
        house.metrics.due_lag_s.set(waited.total_seconds() / house.clock.rate if waited else 0.0)
        while count := await house.assessor.run_due():
            done += count
        house.beats.assessed()
    except DosetrailError as error:
        log.warning("no assessment now", code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001 - the loop's edge: the next tick tries again
        log.error("assessing failed", exc_info=error)
        house.metrics.assess_failures.labels(kind="tick").inc()
    return done


async def attend_due(house: House) -> int:
    """Wake alerts whose snooze has ended, and tell others of those nobody answered; return how many were due."""
    done = 0
    for work in (house.handling.wake_due, house.escalations.run_due):
        try:
            while count := await work():
                done += count
        except DosetrailError as error:
            log.warning("alerts not attended now", code=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the next tick tries again
            log.error("attending alerts failed", exc_info=error)
            house.metrics.assess_failures.labels(kind="attend").inc()
    if done:
        house.dispatch.wake()
    return done


async def publish_lanes(house: House) -> int:
    """Publish lane statistics where there is news; return how many sets."""
    try:
        return await house.lanes.publish_due()
    except DosetrailError as error:
        log.warning("no lane statistics now", code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001 - the loop's edge: the next tick tries again
        log.error("publishing lane statistics failed", exc_info=error)
        house.metrics.assess_failures.labels(kind="lanes").inc()
    return 0


async def keep_house(house: House) -> None:
    """Seal what the audit holds below its safe horizon, and drop answers that are too old to be repeated."""
    try:
        while await house.seals.seal():
            pass
        await house.idempotency.forget()
    except DosetrailError as error:
        log.warning("no upkeep now", code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001 - the loop's edge: the next tick tries again
        log.error("upkeep failed", exc_info=error)
        house.metrics.assess_failures.labels(kind="upkeep").inc()
