"""Claim → sign → POST → record → reschedule. No transaction is open while anything is sent."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import delivery as rules
from app.errors import DosetrailError
from app.models.base import new_id
from app.pipeline import guard, outbox, sender
from app.pipeline.outbox import NewMessage
from app.pipeline.secrets import Cipher, WrongSecretKey
from app.pipeline.sender import Answer
from app.settings import Settings
from app.store import webhooks
from app.store.db import Database
from app.store.tables import Record
from app.telemetry import log

INFLIGHT_PER_ENDPOINT = 4
CLAIMED_AT_ONCE = 64
LEASE = timedelta(seconds=60)
POLL_S = 1.0


class Dispatch:
    """Sends what is due; many may run, for a claim is a lease and an outcome names its claim."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        cipher: Cipher,
        *,
        beat: Callable[[], None],
        chance: Callable[[], float] = random.random,
        resolve: guard.Resolve = guard.system_resolve,
    ) -> None:
        self._db, self._clock, self._cipher = db, clock, cipher
        self._allowed = settings.webhooks.allowed_networks
        self._beat, self._chance, self._resolve = beat, chance, resolve
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Say that something may be due; called after commits."""
        self._awake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until told to stop, then finish what is in flight."""
        async with self.client() as client:
            while not stop.is_set():
                try:
                    sent = await self.send_due(client)
                    self._beat()
                except DosetrailError as error:
                    log.warning("no dispatch now", code=error.code, detail=error.detail)
                    sent = 0
                except Exception as error:  # noqa: BLE001 - the loop's edge: the next round tries again
                    log.error("dispatch failed", exc_info=error)
                    sent = 0
                if not sent:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._awake.wait(), POLL_S)
                    self._awake.clear()

    def client(self) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        """Give the guarded client of all attempts."""
        return sender.guarded_client(self._allowed, resolve=self._resolve, connections=CLAIMED_AT_ONCE)

    async def send_due(self, client: httpx.AsyncClient) -> int:
        """Send one round of what is due and return how many deliveries that were."""
        claim_id, wall_at = new_id(), self._clock.wall()
        async with self._db.transaction() as connection:
            claimed = await webhooks.claim(
                connection,
                wall_at=wall_at,
                claim_id=claim_id,
                lease_until=wall_at + LEASE,
                per_endpoint=INFLIGHT_PER_ENDPOINT,
                limit=CLAIMED_AT_ONCE,
            )
            secrets = await webhooks.secrets_of(
                connection, {one.endpoint_id for one in claimed}, wall_at=wall_at
            )
        await asyncio.gather(
            *(self._deliver(client, one, secrets[one.endpoint_id], claim_id=claim_id) for one in claimed)
        )
        return len(claimed)

    async def _deliver(
        self, client: httpx.AsyncClient, one: Record, secrets: list[str], *, claim_id: str
    ) -> None:
        """Attempt one delivery and record what came of it; an attempt never raises past its record."""
        if one.deliver_by is not None and one.deliver_by < self._clock.now() and one.attempts:
            async with self._db.transaction() as connection:
                if await webhooks.settle(connection, one.id, claim_id=claim_id, state="expired"):
                    await self._report(connection, one, "delivery.expired", {"delivery_id": one.id})
            return
        answer = await self._attempt(client, one, secrets)
        async with self._db.transaction() as connection:
            values = self._settled(one, answer)
            if await webhooks.settle(connection, one.id, claim_id=claim_id, **values):
                await webhooks.insert(connection, webhooks.attempt, [_attempt_row(one, answer)])
                if not one.single_shot:
                    await self._judge_endpoint(connection, one, answer)

    async def _attempt(self, client: httpx.AsyncClient, one: Record, secrets: list[str]) -> Answer:
        at = self._clock.wall()
        try:
            keys = [rules.key_of(self._cipher.decrypt(secret)) for secret in secrets]
        except WrongSecretKey as error:
            return Answer(at, 0, error=error.code)
        return await sender.attempt(client, one, keys, at=at)

    def _settled(self, one: Record, answer: Answer) -> dict[str, Any]:
        attempts = one.attempts + 1
        outcome = rules.outcome_of(answer.status)
        if outcome == "delivered":
            return {"state": "delivered", "attempts": attempts, "next_attempt_at": None}
        next_at = rules.next_attempt_at(one.ladder, attempts, at=answer.at, chance=self._chance())
        if answer.refused or one.single_shot or next_at is None:
            return {"state": "failed", "attempts": attempts, "next_attempt_at": None}
        return {"state": "pending", "attempts": attempts, "next_attempt_at": next_at}

    async def _judge_endpoint(self, connection: AsyncConnection, one: Record, answer: Answer) -> None:
        """Keep the endpoint's own count: pause it when it asks, switch it off when it is gone or only ever fails."""
        found = await webhooks.endpoints(
            connection, one.organisation_id, id_=one.endpoint_id, for_update=True
        )
        if not found:
            return
        endpoint, outcome = found[0], rules.outcome_of(answer.status)
        if outcome == "delivered":
            if endpoint.failures:
                await webhooks.change_endpoint(connection, endpoint.id, failures=0, failing_since=None)
            return
        since, failures = endpoint.failing_since or answer.at, endpoint.failures + 1
        values: dict[str, Any] = {"failing_since": since, "failures": failures}
        pause = rules.pause_until(answer.retry_after, at=answer.at, chance=self._chance())
        if pause is not None:
            values["paused_until"] = pause
        too_long = rules.failing_too_long(failing_since=since, failures=failures, at=answer.at)
        if endpoint.enabled and (outcome == "gone" or too_long):
            reason = "the endpoint answered 410 Gone" if outcome == "gone" else "only failures for 24 hours"
            values |= {"enabled": False, "disabled_reason": reason}
        await webhooks.change_endpoint(connection, endpoint.id, **values)
        if "disabled_reason" in values:
            told = {"endpoint_id": endpoint.id, "url": endpoint.url, "reason": values["disabled_reason"]}
            await self._report(connection, one, "endpoint.disabled", told)

    async def _report(
        self, connection: AsyncConnection, one: Record, type_: str, data: dict[str, Any]
    ) -> None:
        news = NewMessage(
            type=type_,
            data=data | {"message_id": one.message_id},
            severity=None,
            shipment_id=None,
            site_id=None,
            study=None,
            product_id=None,
            deliver_by=None,
            ladder="standard",
        )
        await outbox.enqueue(
            connection,
            organisation_id=one.organisation_id,
            messages=[news],
            at=self._clock.now(),
            wall_at=self._clock.wall(),
        )


def _attempt_row(one: Record, answer: Answer) -> dict[str, Any]:
    return {
        "id": new_id(),
        "delivery_id": one.id,
        "at": answer.at,
        "status": answer.status,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "response": answer.body,
    }
