"""Time comes in here: APScheduler ticks, and each tick looks for due work. It holds no state of its own."""

from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from app.pipeline.house import House
from app.scheduler.jobs import assess_due, attend_due, keep_house, publish_lanes

UPKEEP = timedelta(seconds=15)
LANES = timedelta(seconds=30)
"""Between two looks, on the wall, whether lane statistics are due: at most once an hour of domain time."""


def build(house: House) -> AsyncIOScheduler:
    """Return a scheduler that is not started yet; ticks that pile up are one, and never overlap."""
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
    return scheduler
