"""What an attempt's answer changes: the delivery, its endpoint's own count, and the news about both."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import delivery as rules
from app.models.base import new_id
from app.pipeline import outbox
from app.pipeline.outbox import NewMessage
from app.pipeline.sender import Answer
from app.store import deliveries, webhooks
from app.store.db import Database
from app.store.tables import Record
from app.telemetry import Metrics

TOGETHER = 256

Arrived = tuple[Record, Answer, asyncio.Future[None]]
"""A delivery that arrived, and who waits until that is written."""


@dataclass(slots=True)
class Outcomes:
    """Writes what became of attempts; what arrived is written together, what failed one by one."""

    db: Database
    clock: Clock
    metrics: Metrics
    chance: Callable[[], float]
    _arrived: list[Arrived] = field(default_factory=list)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def record(self, one: Record, answer: Answer) -> None:
        """Write one attempt; the outcome of a claim that another has taken over writes nothing."""
        self.metrics.webhook_attempts.labels(outcome=_word_for(answer)).inc()
        self.metrics.webhook_attempt_s.observe(answer.duration_ms / 1000)
        if rules.outcome_of(answer.status) == "delivered" and one.ordered_by is None and not answer.agreed:
            await self._arrive(one, answer)
            return
        async with self.db.transaction() as connection:
            state = await self._settle(connection, one, answer)
        if state not in {None, "pending"}:
            self.metrics.webhook_deliveries.labels(state=state).inc()

    async def _arrive(self, one: Record, answer: Answer) -> None:
        """Join those that arrived meanwhile: one transaction for all of them."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((one, answer, written))
        async with self._writing:
            batch, self._arrived = self._arrived[:TOGETHER], self._arrived[TOGETHER:]
            if batch:  # else others have written this one along with theirs
                await self._write_together(batch)
        await written

    async def _write_together(self, batch: list[Arrived]) -> None:
        try:
            async with self.db.transaction() as connection:
                count = await _write_arrived(connection, [(row, told) for row, told, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to each who waits
            for _, _, future in batch:
                future.set_exception(error)
        else:
            self.metrics.webhook_deliveries.labels(state="delivered").inc(count)
            for _, _, future in batch:
                future.set_result(None)

    async def _settle(self, connection: AsyncConnection, one: Record, answer: Answer) -> str | None:
        if one.ordered_by is not None:
            await deliveries.lock_order(connection, one.ordered_by)
        state = await deliveries.settle(
            connection, one.id, claim_id=one.claim_id, **self._values(one, answer)
        )
        if state is None:
            return None
        if answer.agreed:
            await webhooks.change_endpoint(connection, one.endpoint_id, handshaken_at=answer.at)
        await webhooks.insert(connection, webhooks.attempt, [_attempt_row(one, answer)])
        if state != "pending" and one.ordered_by is not None:
            await deliveries.let_next_go(
                connection, one.endpoint_id, one.ordered_by, wall_at=self.clock.wall()
            )
        if state == "expired":
            await self._report(connection, one, "delivery.expired", {"delivery_id": one.id, "type": one.type})
        if not one.single_shot:
            await self._judge_endpoint(connection, one, answer)
        return state

    def _values(self, one: Record, answer: Answer) -> dict[str, Any]:
        """Return what becomes of the delivery; a single shot is no step of its ladder."""
        attempts = one.attempts + 1
        if rules.outcome_of(answer.status) == "delivered":
            return {"state": "delivered", "attempts": attempts, "next_attempt_at": None, "resume_at": None}
        if one.single_shot and one.resume_at is not None:
            back = {"single_shot": False, "resume_at": None}
            return {"state": "pending", "next_attempt_at": one.resume_at} | back
        if answer.refused or one.single_shot:
            return {"state": "failed", "attempts": attempts, "next_attempt_at": None}
        following = rules.after_failure(
            one.ladder, attempts, at=answer.at, chance=self.chance(), time_left=self._time_left(one)
        )
        return {"state": following.state, "attempts": attempts, "next_attempt_at": following.at}

    def _time_left(self, one: Record) -> timedelta | None:
        """Return how much wall time is left until the news is worthless."""
        deliver_by: datetime | None = one.deliver_by
        return None if deliver_by is None else (deliver_by - self.clock.now()) / self.clock.rate

    async def _judge_endpoint(self, connection: AsyncConnection, one: Record, answer: Answer) -> None:
        """Keep the endpoint's own count: pause it when it asks, switch it off when it is gone or only ever fails."""
        outcome = rules.outcome_of(answer.status)
        if outcome == "delivered":
            await webhooks.forgive(connection, {one.endpoint_id})
            return
        found = await webhooks.endpoints(
            connection, one.organisation_id, id_=one.endpoint_id, for_update=True
        )
        if not found:
            return
        endpoint = found[0]
        since, failures = endpoint.failing_since or answer.at, endpoint.failures + 1
        values: dict[str, Any] = {"failing_since": since, "failures": failures}
        pause = rules.pause_until(answer.retry_after, at=answer.at, chance=self.chance())
        if pause is not None and pause > (endpoint.paused_until or answer.at):
            values["paused_until"] = pause
        too_long = rules.failing_too_long(failing_since=since, failures=failures, at=answer.at)
        if endpoint.enabled and (outcome == "gone" or too_long):
            reason = "the endpoint answered 410 Gone" if outcome == "gone" else "only failures for 24 hours"
            values |= {"enabled": False, "disabled_reason": reason}
        await webhooks.change_endpoint(connection, endpoint.id, **values)
        if "disabled_reason" in values:
            told = {"host": urlsplit(endpoint.url).hostname, "reason": values["disabled_reason"]}
            await self._report(connection, one, "endpoint.disabled", told)

    async def _report(
        self, connection: AsyncConnection, one: Record, type_: str, data: dict[str, Any]
    ) -> None:
        news = NewMessage(
            type=type_, data={"endpoint_id": one.endpoint_id, "message_id": one.message_id} | data
        )
        await outbox.enqueue(
            connection,
            organisation_id=one.organisation_id,
            messages=[news],
            at=self.clock.now(),
            wall_at=self.clock.wall(),
        )


async def _write_arrived(connection: AsyncConnection, arrived: list[tuple[Record, Answer]]) -> int:
    written = await deliveries.settle_delivered(connection, [(one.id, one.claim_id) for one, _ in arrived])
    rows = [_attempt_row(one, answer) for one, answer in arrived if one.id in written]
    await webhooks.insert(connection, webhooks.attempt, rows)
    counted = {one.endpoint_id for one, _ in arrived if one.id in written and not one.single_shot}
    await webhooks.forgive(connection, counted)
    return len(written)


def _word_for(answer: Answer) -> str:
    """Name an attempt's outcome in few words, for its counter: error classes are for the log."""
    if answer.status is None:
        return "blocked" if answer.refused else ("deadline" if answer.error == "deadline" else "no_answer")
    if rules.outcome_of(answer.status) == "delivered":
        return "delivered"
    return answer.error or ("gone" if answer.status == 410 else "later")


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
