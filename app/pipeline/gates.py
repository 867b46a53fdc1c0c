"""What waits at an endpoint's gate: until its quiet hours end, or to be counted and, in a storm, told together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.alerts import SEVERITY_RANK
from app.domain.delivery import is_quiet
from app.pipeline import outbox
from app.pipeline.outbox import NewMessage
from app.store import deliveries, webhooks
from app.store.tables import Record

AT_ONCE = 10_000
MINUTE = timedelta(minutes=1)
LISTED_MAX = 100
LISTED = ("id", "kind", "severity", "subject", "shipment_id", "reference", "summary", "act_by")


@dataclass(frozen=True, slots=True)
class Gates:
    """Opens what may pass, one endpoint at a time; in a minute at most its rate in messages, and one digest."""

    clock: Clock

    async def open(self, connection: AsyncConnection) -> None:
        """Let go what may go now, at every gate that nobody else tends."""
        for endpoint in await webhooks.gated_endpoints(connection):
            quiet = is_quiet(endpoint.quiet_hours, at=self.clock.now())
            waiting = await deliveries.at_gate(connection, endpoint.id, critical_only=quiet, limit=AT_ONCE)
            if waiting:
                await self._open_one(connection, endpoint, waiting)

    async def _open_one(
        self, connection: AsyncConnection, endpoint: Record, waiting: Sequence[Record]
    ) -> None:
        wall_at = self.clock.wall()
        counted = [one for one in waiting if one.type.startswith("alert.")]
        limit = endpoint.digest_above_per_minute
        fresh = endpoint.digest_minute_at is None or wall_at - endpoint.digest_minute_at >= MINUTE
        sent = 0 if fresh else endpoint.digest_sent
        free = len(counted) if limit is None else max(limit - sent, 0)
        passing = [one for one in waiting if not one.type.startswith("alert.")] + counted[:free]
        await deliveries.leave_gate(connection, [one.id for one in passing], state="pending", wall_at=wall_at)
        rest = counted[free:]
        # A digest fills the minute: what comes after it waits for the next one.
        full = limit is not None and sent > limit
        if rest and not full:
            await self._digest(connection, endpoint, rest)
        if limit is not None:
            values = {"digest_sent": limit + 1 if rest else sent + len(counted)}
            begun = {"digest_minute_at": wall_at} if fresh else {}
            await webhooks.change_endpoint(connection, endpoint.id, **values, **begun)

    async def _digest(self, connection: AsyncConnection, endpoint: Record, told: Sequence[Record]) -> None:
        """Tell many alerts in one message, the most severe first, and end what would have told them one by one."""
        await deliveries.leave_gate(
            connection, [one.id for one in told], state="digested", wall_at=self.clock.wall()
        )
        worst = max((one.severity or "info" for one in told), key=lambda one: SEVERITY_RANK[one])
        news = NewMessage(
            type="alert.digest",
            data=digest_of([orjson.loads(one.body) for one in told]),
            severity=worst,
            ladder="standard" if worst == "info" else "critical",
        )
        await outbox.send_to(connection, endpoint, news, at=self.clock.now(), wall_at=self.clock.wall())


def digest_of(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a digest says of alert messages; it lists the most severe, and counts them all."""
    alerts = [one["data"] for one in messages]
    ranked = sorted(messages, key=lambda one: SEVERITY_RANK.get(one["data"].get("severity"), 0), reverse=True)
    listed = [
        {"type": one["type"]} | {name: one["data"].get(name) for name in LISTED}
        for one in ranked[:LISTED_MAX]
    ]
    return {
        "count": len(messages),
        "first_at": min(one["timestamp"] for one in messages),
        "last_at": max(one["timestamp"] for one in messages),
        "by_type": dict(Counter(one["type"] for one in messages)),
        "by_kind": dict(Counter(one.get("kind") for one in alerts)),
        "by_severity": dict(Counter(one.get("severity") for one in alerts)),
        "alerts": listed,
        "more": len(messages) - len(listed),
    }
