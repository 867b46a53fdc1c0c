"""The subscriber's tools: endpoints, secrets, tests, and the log of every attempt."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.domain.status import instant_text
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.models.base import new_id
from app.models.webhook import (
    AttemptRead,
    DeliveryRead,
    ReplayCreate,
    ReplayRead,
    WebhookCreate,
    WebhookPatch,
    WebhookRead,
)
from app.pipeline import guard, outbox
from app.pipeline.outbox import NewMessage
from app.pipeline.secrets import Cipher, new_secret
from app.settings import Settings
from app.store import audit, deliveries, reference, replays, webhooks
from app.store.db import Database
from app.store.tables import Record, product, site

SAFE_HORIZON = timedelta(seconds=5)
"""A message younger than this, or than the oldest open transaction, may commit behind one that was shown.

Source: our convention; more than the clocks of replicas differ by.
"""


class UnknownWebhook(NotFound):
    """No such endpoint or delivery, or not the caller's."""

    code = "unknown_webhook"


class NothingToRetry(Conflict):
    """The delivery is on its way, or has arrived."""

    code = "nothing_to_retry"


class EmptyReplay(Invalid):
    """The replay ends before it begins."""

    code = "empty_replay"


class Webhooks:
    """Endpoints as their owners see them."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        cipher: Cipher,
        *,
        resolve: guard.Resolve = guard.system_resolve,
    ) -> None:
        self._db, self._clock, self._cipher, self._resolve = db, clock, cipher, resolve
        self._allowed = settings.webhooks.allowed_networks

    async def create(self, caller: Caller, body: WebhookCreate) -> tuple[dict[str, Any], str]:
        """Write an endpoint and return it with its secret.

        Raises:
            BadUrl, BlockedAddress: its address cannot be used.
        """
        await guard.check_url(body.url, allowed=self._allowed, resolve=self._resolve)
        text, at = new_secret(), self._clock.now()
        row = body.model_dump() | {
            "id": new_id(),
            "organisation_id": caller.organisation_id,
            "owner_key_id": caller.key_id,
            "owner_site_id": caller.site_id,
            "owner_study": caller.study,
            "enabled": True,
            "failures": 0,
            "created_at": at,
        }
        async with self._db.transaction() as connection:
            await self._check_filters(connection, caller, body)
            await webhooks.insert(connection, webhooks.endpoint, [row])
            await self._store_secret(connection, row["id"], text)
            await self._audit(connection, caller, "create", row["id"], new={"url": body.url})
        unset = dict.fromkeys(("disabled_reason", "paused_until", "failing_since"))
        return row | unset, text

    async def read(self, caller: Caller, endpoint_id: str) -> Record:
        """Return an endpoint.

        Raises:
            UnknownWebhook: there is none for this caller.
        """
        async with self._db.reading() as connection:
            return await self._own(connection, caller, endpoint_id)

    async def page(self, caller: Caller, *, before_id: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the caller's endpoints, newest first."""
        async with self._db.reading() as connection:
            rows = await webhooks.endpoints(
                connection,
                caller.organisation_id,
                owner_key_id=_owner(caller),
                before_id=before_id,
                limit=limit,
            )
        return [endpoint_read(row._mapping).model_dump(mode="json") for row in rows]

    async def change(self, caller: Caller, endpoint_id: str, body: WebhookPatch) -> WebhookRead:
        """Change what the body names; switched on again, its held deliveries go out."""
        values = body.model_dump(exclude_unset=True)
        if body.url is not None:
            await guard.check_url(body.url, allowed=self._allowed, resolve=self._resolve)
        if body.enabled:
            values |= {"disabled_reason": None, "failing_since": None, "failures": 0, "paused_until": None}
        async with self._db.transaction() as connection:
            await self._own(connection, caller, endpoint_id, for_update=True)
            if values:
                await webhooks.change_endpoint(connection, endpoint_id, **values)
                changed = {name: values[name] for name in body.model_fields_set}
                await self._audit(connection, caller, "change", endpoint_id, new=changed)
            return endpoint_read((await self._own(connection, caller, endpoint_id))._mapping)

    async def delete(self, caller: Caller, endpoint_id: str) -> None:
        """Take an endpoint away; what was sent to it stays in the records."""
        async with self._db.transaction() as connection:
            await self._own(connection, caller, endpoint_id, for_update=True)
            await webhooks.change_endpoint(
                connection, endpoint_id, deleted_at=self._clock.now(), enabled=False
            )
            await self._audit(connection, caller, "delete", endpoint_id)

    async def rotate(self, caller: Caller, endpoint_id: str, *, overlap_s: int) -> tuple[Record, str]:
        """Return a new secret; the old one signs beside it until the overlap ends."""
        text = new_secret()
        async with self._db.transaction() as connection:
            row = await self._own(connection, caller, endpoint_id, for_update=True)
            until = self._clock.wall() + timedelta(seconds=overlap_s)
            await webhooks.retire_secrets(connection, endpoint_id, until=until)
            await self._store_secret(connection, endpoint_id, text)
            await self._audit(connection, caller, "rotate_secret", endpoint_id)
        return row, text

    async def test(self, caller: Caller, endpoint_id: str) -> dict[str, Any]:
        """Send `webhook.test` to one endpoint, once; it touches no counter."""
        at, wall_at = self._clock.now(), self._clock.wall()
        async with self._db.transaction() as connection:
            row = await self._own(connection, caller, endpoint_id)
            news = NewMessage(type="webhook.test", data={"endpoint_id": row.id})
            return await outbox.send_once(connection, row, news, at=at, wall_at=wall_at)

    async def deliveries(
        self, caller: Caller, endpoint_id: str, *, before_id: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return an endpoint's deliveries, newest first, each with its attempts."""
        async with self._db.reading() as connection:
            await self._own(connection, caller, endpoint_id)
            own = [webhooks.delivery.c.endpoint_id == endpoint_id]
            rows = await deliveries.page(connection, own, before_id=before_id, limit=limit)
            attempts = await deliveries.attempts_of(connection, [row.id for row in rows])
        return _told(rows, attempts)

    async def retry(self, caller: Caller, delivery_id: str) -> dict[str, Any]:
        """Try a delivery again now, once: a single shot, after which its ladder goes on where it was.

        Raises:
            UnknownWebhook: there is none for this caller.
            NothingToRetry: it is in flight, waits for an earlier one, or has arrived.
        """
        async with self._db.transaction() as connection:
            own = [webhooks.delivery.c.id == delivery_id]
            rows = await deliveries.page(connection, own)
            if not rows:
                raise UnknownWebhook("no such webhook or delivery")
            await self._own(connection, caller, rows[0].endpoint_id)
            resume_at = rows[0].resume_at or rows[0].next_attempt_at
            now = {"state": "pending", "single_shot": True, "next_attempt_at": self._clock.wall()}
            states = ("pending", "failed", "expired", "superseded")
            if not await deliveries.change(connection, delivery_id, *states, resume_at=resume_at, **now):
                raise NothingToRetry(f"the delivery is {rows[0].state}")
            await self._audit(connection, caller, "retry", delivery_id)
            attempts = await deliveries.attempts_of(connection, [delivery_id])
            return _told(await deliveries.page(connection, own), attempts)[0]

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
            await self._own(connection, caller, endpoint_id)
            await replays.insert(connection, row)
            span = {"from": instant_text(body.from_at), "until": instant_text(until_at), "only": body.only}
            await self._audit(connection, caller, "replay", endpoint_id, new=span)
        return _replay_read(row)

    async def replays(
        self, caller: Caller, endpoint_id: str, *, before_id: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return an endpoint's replays, newest first."""
        async with self._db.reading() as connection:
            await self._own(connection, caller, endpoint_id)
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

    async def _own(
        self, connection: AsyncConnection, caller: Caller, endpoint_id: str, *, for_update: bool = False
    ) -> Record:
        rows = await webhooks.endpoints(
            connection,
            caller.organisation_id,
            owner_key_id=_owner(caller),
            id_=endpoint_id,
            for_update=for_update,
        )
        if not rows:
            raise UnknownWebhook("no such webhook or delivery")
        return rows[0]

    async def _check_filters(self, connection: AsyncConnection, caller: Caller, body: WebhookCreate) -> None:
        for name, table in (("site_id", site), ("product_id", product)):
            id_ = getattr(body, name)
            if (
                id_ is not None
                and await reference.row(connection, table, caller.organisation_id, id_) is None
            ):
                raise Invalid(
                    "the webhook's filter names what is not there",
                    errors=(FieldError(f"/{name}", "no such object"),),
                )

    async def _store_secret(self, connection: AsyncConnection, endpoint_id: str, text: str) -> None:
        row = {
            "id": new_id(),
            "endpoint_id": endpoint_id,
            "encrypted": self._cipher.encrypt(text),
            "valid_until": None,
        }
        await webhooks.insert(connection, webhooks.secret, [row])

    async def _audit(
        self,
        connection: AsyncConnection,
        caller: Caller,
        action: str,
        id_: str,
        *,
        new: dict[str, Any] | None = None,
    ) -> None:
        await audit.append(
            connection,
            organisation_id=caller.organisation_id,
            at=self._clock.now(),
            actor=caller.key_id,
            action=action,
            object_kind="webhook",
            object_id=id_,
            new=new,
        )


def endpoint_read(row: Any) -> WebhookRead:
    """Return an endpoint as the contract has it."""
    return WebhookRead(**{name: row[name] for name in WebhookRead.model_fields})


def _replay_read(row: Any) -> ReplayRead:
    return ReplayRead(**{name: row[name] for name in ReplayRead.model_fields})


def _owner(caller: Caller) -> str | None:
    """Return whose endpoints a caller sees: a subscriber its own, everyone else all of the organisation."""
    return caller.key_id if caller.role == "subscriber" else None


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
