"""The subscriber's tools: endpoints, secrets, tests, and the log of every attempt."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.errors import FieldError, Invalid, NotFound
from app.models.base import new_id
from app.models.webhook import (
    QuietHours,
    WebhookCreate,
    WebhookPatch,
    WebhookRead,
)
from app.pipeline import guard, outbox
from app.pipeline.outbox import NewMessage
from app.pipeline.secrets import Cipher
from app.pipeline.signing import new_secret
from app.settings import Settings
from app.store import audit, reference, webhooks
from app.store.db import Database
from app.store.tables import Record, product, site


class UnknownWebhook(NotFound):
    """No such endpoint or delivery, or not the caller's."""

    code = "unknown_webhook"


class ContradictingManners(Invalid):
    """An endpoint cannot have an order per shipment and have some messages wait while others pass."""

    code = "contradicting_manners"


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
        text, at = new_secret(body.signature), self._clock.now()
        row = body.model_dump() | {
            "quiet_hours": _plain(body.quiet_hours),
            "id": new_id(),
            "organisation_id": caller.organisation_id,
            "owner_key_id": caller.key_id,
            "owner_site_id": caller.site_id,
            "owner_study": caller.study,
            "enabled": True,
            "failures": 0,
            "created_at": at,
        }
        check_manners(row)
        async with self._db.transaction() as connection:
            await self._check_filters(connection, caller, body)
            await webhooks.insert(connection, webhooks.endpoint, [row])
            await self._store_secret(connection, row["id"], text)
            await note(connection, caller, self._clock.now(), "create", row["id"], new={"url": body.url})
        unset = dict.fromkeys(("disabled_reason", "paused_until", "failing_since", "handshaken_at"))
        return row | unset, text

    async def read(self, caller: Caller, endpoint_id: str) -> Record:
        """Return an endpoint.

        Raises:
            UnknownWebhook: there is none for this caller.
        """
        async with self._db.reading() as connection:
            return await own(connection, caller, endpoint_id)

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
        if "quiet_hours" in values:
            values["quiet_hours"] = _plain(body.quiet_hours)
        if body.url is not None:
            await guard.check_url(body.url, allowed=self._allowed, resolve=self._resolve)
            values["handshaken_at"] = None
        if body.enabled:
            values |= {"disabled_reason": None, "failing_since": None, "failures": 0, "paused_until": None}
        async with self._db.transaction() as connection:
            before = await own(connection, caller, endpoint_id, for_update=True)
            check_manners(dict(before._mapping) | values)
            if values:
                await webhooks.change_endpoint(connection, endpoint_id, **values)
                changed = {name: values[name] for name in body.model_fields_set}
                await note(connection, caller, self._clock.now(), "change", endpoint_id, new=changed)
            return endpoint_read((await own(connection, caller, endpoint_id))._mapping)

    async def delete(self, caller: Caller, endpoint_id: str) -> None:
        """Take an endpoint away; what was sent to it stays in the records."""
        async with self._db.transaction() as connection:
            await own(connection, caller, endpoint_id, for_update=True)
            await webhooks.change_endpoint(
                connection, endpoint_id, deleted_at=self._clock.now(), enabled=False
            )
            await note(connection, caller, self._clock.now(), "delete", endpoint_id)

    async def rotate(self, caller: Caller, endpoint_id: str, *, overlap_s: int) -> tuple[Record, str]:
        """Return a new secret; the old one signs beside it until the overlap ends."""
        async with self._db.transaction() as connection:
            row = await own(connection, caller, endpoint_id, for_update=True)
            text, until = new_secret(row.signature), self._clock.wall() + timedelta(seconds=overlap_s)
            await webhooks.retire_secrets(connection, endpoint_id, until=until)
            await self._store_secret(connection, endpoint_id, text)
            await note(connection, caller, self._clock.now(), "rotate_secret", endpoint_id)
        return row, text

    async def test(self, caller: Caller, endpoint_id: str) -> dict[str, Any]:
        """Send `webhook.test` to one endpoint, once; it touches no counter."""
        at, wall_at = self._clock.now(), self._clock.wall()
        async with self._db.transaction() as connection:
            row = await own(connection, caller, endpoint_id)
            news = NewMessage(type="webhook.test", data={"endpoint_id": row.id})
            return await outbox.send_to(connection, row, news, at=at, wall_at=wall_at, single_shot=True)

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


async def own(
    connection: AsyncConnection, caller: Caller, endpoint_id: str, *, for_update: bool = False
) -> Record:
    """Return an endpoint of the caller's.

    Raises:
        UnknownWebhook: there is none for this caller.
    """
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


async def note(
    connection: AsyncConnection,
    caller: Caller,
    at: datetime,
    action: str,
    id_: str,
    *,
    new: dict[str, Any] | None = None,
) -> None:
    """Write who did what to an endpoint or a delivery."""
    await audit.append(
        connection,
        organisation_id=caller.organisation_id,
        at=at,
        actor=caller.key_id,
        action=action,
        object_kind="webhook",
        object_id=id_,
        new=new,
    )


def check_manners(row: Mapping[str, Any]) -> None:
    """Refuse an order that critical alerts would have to overtake.

    Raises:
        ContradictingManners: `ordering` stands beside quiet hours or a digest.
    """
    gated = [name for name in ("quiet_hours", "digest_above_per_minute") if row[name] is not None]
    if row["ordering"] == "per_shipment" and gated:
        raise ContradictingManners(
            "an order per shipment cannot be kept where critical alerts overtake others",
            errors=tuple(
                FieldError(f"/{name}", "cannot stand beside `ordering: per_shipment`") for name in gated
            ),
        )


def _plain(hours: QuietHours | None) -> dict[str, Any] | None:
    return hours.model_dump(mode="json") if hours else None


def endpoint_read(row: Any) -> WebhookRead:
    """Return an endpoint as the contract has it."""
    return WebhookRead(**{name: row[name] for name in WebhookRead.model_fields})


def _owner(caller: Caller) -> str | None:
    """Return whose endpoints a caller sees: a subscriber its own, everyone else all of the organisation."""
    return caller.key_id if caller.role == "subscriber" else None
