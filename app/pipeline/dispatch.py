"""Claim → sign → POST → record → reschedule. No transaction is open while anything is sent."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import httpx

from app.clock import Clock
from app.errors import DosetrailError
from app.models.base import new_id
from app.pipeline import guard, sender
from app.pipeline.outcomes import Outcomes
from app.pipeline.secrets import Cipher, WrongSecretKey
from app.pipeline.sender import Answer
from app.pipeline.upkeep import Upkeep
from app.settings import Settings
from app.store import deliveries, hints, webhooks
from app.store.db import Database
from app.store.tables import Record
from app.telemetry import Metrics, log

INFLIGHT_MAX = 256
"""How many attempts one process has open: endpoints that hang fill four each, and must not fill it."""
LEASE = timedelta(seconds=30)
"""How long a claim holds: twice what an attempt may last, since a frozen dispatcher keeps its endpoints waiting."""
POLL_S = 1.0
GATHER_S = 0.02
"""How long slots that come free wait for others: one claim fills them all, and PostgreSQL sends twice as much."""
STOP_WITHIN_S = sender.DEADLINE_S + 1

Flight = tuple[Record, list[str]]
"""A claimed delivery, and its endpoint's encrypted secrets."""


class Dispatch:
    """Sends what is due; many may run, for a claim is a lease and an outcome names its claim."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        cipher: Cipher,
        *,
        metrics: Metrics,
        beat: Callable[[float], None],
        chance: Callable[[], float] = random.random,
        resolve: guard.Resolve = guard.system_resolve,
    ) -> None:
        self._db, self._clock, self._cipher = db, clock, cipher
        self._allowed = settings.webhooks.allowed_networks
        self._metrics, self._beat, self._resolve = metrics, beat, resolve
        self._outcomes = Outcomes(db, clock, metrics, chance)
        self._upkeep = Upkeep(db, clock, metrics)
        self._awake = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()
        self._upkeep_at, self._lag_s = clock.wall(), 0.0

    def wake(self) -> None:
        """Say that something may be due; called after commits."""
        self._awake.set()

    def client(self) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        """Give the guarded client of all attempts."""
        return sender.guarded_client(self._allowed, resolve=self._resolve, connections=INFLIGHT_MAX)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until told to stop, then finish what is in flight.

        Nothing waits for the slowest: whatever lands frees its slot, and the next is claimed.
        """
        async with self.client() as client, hints.heard(self._db, self.wake):
            while not stop.is_set():
                self._awake.clear()
                await self._upkeep_safely()
                for flight in await self._claim_safely(INFLIGHT_MAX - len(self._flying)):
                    task = asyncio.create_task(self._deliver_safely(client, flight), name=flight[0].claim_id)
                    self._flying.add(task)
                    task.add_done_callback(self._landed)
                # Slots that free at almost the same time are filled by one claim.
                await asyncio.sleep(GATHER_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), POLL_S)
            await self._finish()

    async def send_due(self, client: httpx.AsyncClient) -> int:
        """Send one round of what is due, wait for all of it, and return how many deliveries that were."""
        await self._upkeep.run()
        flights = await self._claim(INFLIGHT_MAX)
        await asyncio.gather(*(self._deliver(client, flight) for flight in flights))
        return len(flights)

    async def _upkeep_safely(self) -> None:
        """Do what is due besides sending, once in a poll however often something lands."""
        if self._clock.wall() < self._upkeep_at:
            return
        self._upkeep_at = self._clock.wall() + timedelta(seconds=POLL_S)
        try:
            await self._upkeep.run()
        except DosetrailError as error:
            log.warning("no upkeep now", code=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the next round tries again
            log.error("upkeep failed", exc_info=error)

    async def _claim_safely(self, limit: int) -> Sequence[Flight]:
        try:
            flights = await self._claim(limit) if limit else ()
            self._beat(self._lag_s)
        except DosetrailError as error:
            log.warning("no dispatch now", code=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the next round tries again
            log.error("dispatch failed", exc_info=error)
        else:
            return flights
        return ()

    async def _claim(self, limit: int) -> Sequence[Flight]:
        wall_at = self._clock.wall()
        async with self._db.transaction() as connection:
            claimed = await deliveries.claim(
                connection,
                wall_at=wall_at,
                claim_id=new_id(),
                lease_until=wall_at + LEASE,
                limit=limit,
            )
            secrets = await webhooks.secrets_of(
                connection, {one.endpoint_id for one in claimed}, wall_at=wall_at
            )
            oldest_at = await deliveries.oldest_claimable_at(connection, wall_at=wall_at)
        self._lag_s = (wall_at - oldest_at).total_seconds() if oldest_at else 0.0
        self._metrics.outbox_age_s.set(self._lag_s)
        return [(one, secrets[one.endpoint_id]) for one in claimed]

    async def _deliver_safely(self, client: httpx.AsyncClient, flight: Flight) -> None:
        """Deliver; an outcome that cannot be written is found again when the lease lapses."""
        try:
            await self._deliver(client, flight)
        except DosetrailError as error:
            log.warning("outcome not recorded", code=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the lease lapses, the delivery is repeated
            log.error("outcome not recorded", exc_info=error)

    async def _deliver(self, client: httpx.AsyncClient, flight: Flight) -> None:
        one, secrets = flight
        if self._clock.wall() >= one.lease_until:
            return  # This process slept through its lease: the delivery is somebody else's now.
        await self._outcomes.record(one, await self._attempt(client, one, secrets))

    async def _attempt(self, client: httpx.AsyncClient, one: Record, secrets: list[str]) -> Answer:
        at = self._clock.wall()
        try:
            valid = [self._cipher.decrypt(secret) for secret in secrets]
        except WrongSecretKey as error:
            return Answer(at, 0, error=error.code)
        return await sender.attempt(client, one, valid, at=at)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._awake.set()

    async def _finish(self) -> None:
        """Wait for what is in flight, and give back what has not landed in time; each attempt has its deadline."""
        if not self._flying:
            return
        _, late = await asyncio.wait(self._flying, timeout=STOP_WITHIN_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            async with self._db.transaction() as connection:
                await deliveries.release(connection, {task.get_name() for task in late})
