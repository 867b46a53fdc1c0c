"""Durable single events, beside an application that does nothing and beside one transaction for each request."""

import itertools
import random
from collections.abc import Iterator

from rich.table import Table

from app.clock import wall_now
from app.domain.status import instant_text
from bench.load import drive, request
from bench.report import Line, Progress, beside
from bench.servers import Store, compared, dosetrail
from bench.shipments import Made, make

SHIPMENTS = 1_000
ROUNDS = 3
ROUND_S = 3.0
STEPS = SHIPMENTS + 3 * ROUNDS
SCANS = (
    '"type":"departed","leg":2',
    '"type":"arrived","location":{"code":"MXP"}',
    '"type":"departed","location":{"code":"BLQ"}',
    '"type":"position","location":{"lat":45.1,"lon":9.4}',
)
"""What couriers send: the leg named, the leg to be found by its place, and a position."""

numbers = itertools.count()


async def measure(store: Store, progress: Progress) -> Table:
    """Take turns between the floor, the naive way and the service, so that all three see the same machine."""
    async with (
        compared("bench.floor:app") as floor,
        dosetrail(store, "--no-scheduler", "--no-dispatcher") as service,
    ):
        made = await make(service, SHIPMENTS, step=progress.step)
        async with compared("bench.naive:app", store) as naive:
            lines = [Line("floor", floor), Line("naive", naive), Line("events", service)]
            for _ in range(ROUNDS):
                for line in lines:
                    await line.take(drive(line.served.port, scans(made), seconds=ROUND_S))
                    progress.step(1)
    return beside(lines)


def scans(made: Made) -> Iterator[bytes]:
    """Return scans without end, each new, of shipments at random."""
    dice = random.Random(1)
    at = instant_text(wall_now())
    for number in numbers:
        body = (
            f'{{"event_id":"scan-{number}","shipment_id":"{dice.choice(made.ids)}","occurred_at":"{at}",'
            f"{SCANS[number % len(SCANS)]}}}"
        )
        yield request("POST", "/v1/events", key=made.courier_key, body=body.encode())
