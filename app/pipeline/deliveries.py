"""What was sent to an endpoint, and sending it again: the log, a retry by hand, replays, and the polling feed."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from app.clock import Clock
from app.domain.access import Caller
from app.domain.status import instant_text
from app.errors import Conflict, FieldError, Invalid
from app.models.base import new_id
from app.models.webhook import AttemptRead, DeliveryRead, ReplayCreate, ReplayRead
from app.pipeline.webhooks import UnknownWebhook, note, own
from app.store import deliveries, replays, webhooks
from app.store.db import Database

SAFE_HORIZON = timedelta(seconds=5)
"""A message younger than this, or than the oldest open transaction, may commit behind one that was shown.

Source: our convention; more than the clocks of replicas differ by.
"""


class NothingToRetry(Conflict):
    """The delivery is on its way, or has arrived."""

    code = "nothing_to_retry"


class EmptyReplay(Invalid):
    """The replay ends before it begins."""

    code = "empty_replay"


class Deliveries:
    """Deliveries and messages as their endpoints' owners see them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def page(
        self, caller: Caller, endpoint_id: str, *, before_id: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return an endpoint's deliveries, newest first, each with its attempts."""
        async with self._db.reading() as connection:
            await own(connection, caller, endpoint_id)
            queued = [webhooks.delivery.c.endpoint_id == endpoint_id]
            rows = await deliveries.page(connection, queued, before_id=before_id, limit=limit)
            attempts = await deliveries.attempts_of(connection, [row.id for row in rows])
        return _told(rows, attempts)

    async def retry(self, caller: Caller, delivery_id: str) -> dict[str, Any]:
        """Try a delivery again now, once: a single shot, after which its ladder goes on where it was.

        Raises:
            UnknownWebhook: there is none for this caller.
            NothingToRetry: it is in flight, waits for an earlier one, or has arrived.
        """
        async with self._db.transaction() as connection:
            asked = [webhooks.delivery.c.id == delivery_id]
            rows = await deliveries.page(connection, asked)
            if not rows:
                raise UnknownWebhook("no such webhook or delivery")
            await own(connection, caller, rows[0].endpoint_id)
            resume_at = rows[0].resume_at or rows[0].next_attempt_at
            now = {"state": "pending", "single_shot": True, "next_attempt_at": self._clock.wall()}
            states = ("pending", "failed", "expired", "superseded")
            if not await deliveries.change(connection, delivery_id, *states, resume_at=resume_at, **now):
                raise NothingToRetry(f"the delivery is {rows[0].state}")
            await note(connection, caller, self._clock.now(), "retry", delivery_id)
            attempts = await deliveries.attempts_of(connection, [delivery_id])
            return _told(await deliveries.page(connection, asked), attempts)[0]

    async def replay(self, caller: Caller, endpoint_id: str, body: ReplayCreate) -> ReplayRead:
        """Order that messages of a time be sent again; the dispatcher works it off, piece by piece.

        Raises:
            UnknownWebhook: there is none for this caller.
            EmptyReplay: it ends before it begins.
        """
        at = self._clock.now()
        until_at = body.until_at or at
        if until_at <= body.from_at:
            raise EmptyReplay(
                "the replay ends before it begins", errors=(FieldError("/until", "is not after `from`"),)
            )
        row = {
            "id": new_id(),
            "organisation_id": caller.organisation_id,
            "endpoint_id": endpoint_id,
            "from_at": body.from_at,
            "until_at": until_at,
            "only": body.only,
            "state": "running",
            "queued": 0,
            "created_at": at,
            "finished_at": None,
        }
        async with self._db.transaction() as connection:
            await own(connection, caller, endpoint_id)
            await replays.insert(connection, row)
            span = {"from": instant_text(body.from_at), "until": instant_text(until_at), "only": body.only}
            await note(connection, caller, self._clock.now(), "replay", endpoint_id, new=span)
        return _replay_read(row)

    async def replays(
        self, caller: Caller, endpoint_id: str, *, before_id: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return an endpoint's replays, newest first."""
        async with self._db.reading() as connection:
            await own(connection, caller, endpoint_id)
            rows = await replays.page(connection, endpoint_id, before_id=before_id, limit=limit)
        return [_replay_read(row._mapping).model_dump(mode="json") for row in rows]

    async def messages(self, caller: Caller, *, after_id: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the messages that the caller may see, in order, with the very bytes that were signed."""
        async with self._db.reading() as connection:
            writing_since = await webhooks.oldest_writer_at(connection)
        now_at = self._clock.wall()
        before = min(now_at, writing_since or now_at) - SAFE_HORIZON
        # Only now begins the view that is shown: what committed in between is in it.
        async with self._db.reading() as connection:
            rows = await webhooks.messages_after(
                connection,
                caller.organisation_id,
                after_id=after_id,
                before=before,
                site_id=caller.site_id,
                study=caller.study,
                limit=limit,
            )
        return [{"id": row.id, "body": bytes(row.body).decode()} for row in rows]


def _replay_read(row: Any) -> ReplayRead:
    return ReplayRead(**{name: row[name] for name in ReplayRead.model_fields})


def _told(rows: Any, attempts: Any) -> list[dict[str, Any]]:
    by_delivery: dict[str, list[AttemptRead]] = defaultdict(list)
    for one in attempts:
        by_delivery[one.delivery_id].append(
            AttemptRead(**{name: getattr(one, name) for name in AttemptRead.model_fields})
        )
    names = set(DeliveryRead.model_fields) - {"log", "attempts"}
    return [
        DeliveryRead(
            log=by_delivery[row.id],
            attempts=len(by_delivery[row.id]),
            **{name: row._mapping[name] for name in names},
        ).model_dump(mode="json")
        for row in rows
    ]
