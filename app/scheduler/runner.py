"""Time comes in here: APScheduler ticks, and each tick looks for due work. It holds no state of its own."""

from datetime import timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from app.clock import Clock
from app.pipeline.house import House
from app.scheduler.jobs import assess_due, attend_due, keep_house, publish_lanes

GATHERING = timedelta(milliseconds=20)
"""How long what is heard together is waited for. Source: our convention; a fraction of a commit on a busy disk."""
UPKEEP = timedelta(seconds=15)
LANES = timedelta(seconds=30)
"""Between two looks, on the wall, whether lane statistics or the signals of the day are due."""


def build(house: House) -> AsyncIOScheduler:
    """Return a scheduler that is not started yet; ticks that pile up are one, and never overlap.

    When an event is committed, the next tick of the assessor comes at once: news need not wait a second.
    """
    scheduler = AsyncIOScheduler(timezone="UTC")
    tick = timedelta(seconds=house.settings.scheduler.tick_seconds)
    jobs = ((assess_due, tick), (attend_due, tick), (keep_house, UPKEEP), (publish_lanes, LANES))
    for job, every in jobs:
        scheduler.add_job(
            job,
            "interval",
            seconds=every.total_seconds(),
            args=[house],
            id=job.__name__,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    house.bell.answer_with(partial(_hasten, scheduler, house.clock))
    return scheduler


def _hasten(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    job, soon_at = scheduler.get_job(assess_due.__name__), clock.wall() + GATHERING
    if job is not None and job.next_run_time > soon_at:
        job.modify(next_run_time=soon_at)
