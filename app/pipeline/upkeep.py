"""What the dispatcher does besides sending, once in a poll: gates, heartbeats, replays, and the count of endpoints."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.pipeline import outbox
from app.pipeline.gates import Gates
from app.pipeline.outbox import NewMessage
from app.store import deliveries, due, replays, webhooks
from app.store.db import Database
from app.store.tables import Record
from app.telemetry import Metrics

REPLAYED_AT_ONCE = 500
GIVEN_UP = frozenset({"failed", "expired"})
STILL_NEWS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One round of it; many dispatchers may run, for each piece of work is locked by who does it."""

    db: Database
    clock: Clock
    metrics: Metrics

    async def run(self) -> None:
        """Open the gates, let hearts beat, go one step further with one replay, and count the endpoints."""
        async with self.db.transaction() as connection:
            await Gates(self.clock).open(connection)
            await self._let_hearts_beat(connection)
            one = await replays.next_running(connection)
            if one is not None:
                await self._replay(connection, one)
        async with self.db.reading() as connection:
            counted = await webhooks.count_by_state(connection, wall_at=self.clock.wall())
        for state, count in counted.items():
            self.metrics.webhook_endpoints.labels(state=state).set(count)

    async def _let_hearts_beat(self, connection: AsyncConnection) -> None:
        """Send `heartbeat` where it is due: a single shot, for a late one says nothing.

        It tells how long what is due for assessment waits: a dispatcher that lives proves nothing about that.
        """
        at, wall_at = self.clock.now(), self.clock.wall()
        dead = await webhooks.heartless_endpoints(connection, wall_at=wall_at)
        if not dead:
            return
        oldest_at = await due.oldest_due_at(connection, at=at)
        behind_s = (at - oldest_at).total_seconds() / self.clock.rate if oldest_at else 0.0
        for one in dead:
            news = NewMessage(
                type="heartbeat", data={"endpoint_id": one.id, "assessment_behind_s": round(behind_s, 3)}
            )
            await outbox.send_to(connection, one, news, at=at, wall_at=wall_at, single_shot=True)
            following = wall_at + timedelta(minutes=one.heartbeat_minutes)
            await webhooks.change_endpoint(connection, one.id, heartbeat_at=following)

    async def _replay(self, connection: AsyncConnection, one: Record) -> None:
        """Queue what the next messages of a replay lack; what is under way or has arrived is left alone."""
        found = await webhooks.endpoints(connection, one.organisation_id, id_=one.endpoint_id)
        batch = await replays.messages_for(connection, one, limit=REPLAYED_AT_ONCE) if found else ()
        queued = 0
        for row in batch:
            queued += await self._again(connection, found[0], row, only=one.only)
        values = {"queued": one.queued + queued}
        if len(batch) < REPLAYED_AT_ONCE:
            values |= {"state": "finished", "finished_at": self.clock.now()}
        else:
            values |= {"after_at": batch[-1].told_at, "after_id": batch[-1].id}
        await replays.update(connection, one.id, **values)

    async def _again(
        self, connection: AsyncConnection, endpoint: Record, row: Record, *, only: str | None
    ) -> int:
        wall_at = self.clock.wall()
        if row.delivery_id is None:
            if only == "failed" or not outbox.reaches(endpoint, row):
                return 0
            like = NewMessage(type=row.type, data={})
            await webhooks.insert(
                connection,
                webhooks.delivery,
                [outbox.delivery_row(row.id, endpoint.id, like, wall_at=wall_at)],
            )
            return 1
        if only == "missing" or row.state not in GIVEN_UP:
            return 0
        deliver_by = self.clock.now() + STILL_NEWS if row.ladder == "critical" else None
        anew = {"attempts": 0, "next_attempt_at": wall_at, "deliver_by": deliver_by, "single_shot": False}
        return int(await deliveries.change(connection, row.delivery_id, *GIVEN_UP, state="pending", **anew))
