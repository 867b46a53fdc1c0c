"""Shipments, their plans, and the names they are found by."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.access import Caller, ShipmentScope
from app.domain.risk import AT_RISK
from app.domain.shipment import Shipment
from app.store import bulk
from app.store.tables import Record, shipment, shipment_due, shipment_plan, shipment_tag

Name = tuple[str, str]
"""(kind, value), kind being `shipment_id`, `reference`, `waybill` or `package_code`."""
Named = tuple[str, str, str]
"""(organisation id, kind, value): a name and whose it is."""

_PLANS: TypeAdapter[Shipment] = TypeAdapter(Shipment)
Sort = Literal["-created_at", "slack"]
UNDER_WAY = ("planned", "in_transit", "held", "out_for_delivery")
_TAG = ("organisation_id", "kind", "value")
_TAGGED = frozenset({"waybill", "package_code"})


class Brief(NamedTuple):
    """What writing to a shipment needs to know of it."""

    id: str
    organisation_id: str
    reference: str
    site_id: str
    product_id: str
    study: str | None
    plan_version: int
    baseline_at: datetime
    first_instant_at: datetime
    created_at: datetime
    state: str
    version: int
    latest_event_at: datetime | None


def tags_of(plan: Shipment) -> set[Name]:
    """Return everything a plan can be looked up by besides its id and reference."""
    tags = {("carrier", carrier) for carrier in plan.carriers}
    tags |= {("waybill", leg.waybill) for leg in plan.legs if leg.waybill}
    tags |= {("lot", dose.lot) for dose in plan.doses if dose.lot}
    tags |= {("device", device.device_id) for device in plan.devices}
    if plan.package and plan.package.code:
        tags.add(("package_code", plan.package.code))
    return tags


def document(plan: Shipment) -> dict[str, Any]:
    """Return a plan as it is stored: plain JSON values."""
    stored: dict[str, Any] = _PLANS.dump_python(plan, mode="json")
    return stored


def scope_of(brief: Brief, plan: Shipment) -> ShipmentScope:
    """Return what decides who may see a shipment."""
    return ShipmentScope(
        organisation_id=brief.organisation_id,
        carriers=plan.carriers,
        site_id=brief.site_id,
        study=brief.study,
    )


async def insert(
    connection: AsyncConnection, plan: Shipment, *, baseline_at: datetime, first_instant_at: datetime
) -> None:
    """Write a new shipment, its first plan, its names, and the order to assess it at once."""
    own = {"organisation_id": plan.organisation_id}
    await connection.execute(
        sa.insert(shipment).values(
            id=plan.id,
            reference=plan.reference,
            study=plan.study,
            consignment=plan.consignment,
            product_id=plan.product.id,
            site_id=plan.site.id,
            plan_version=plan.plan_version,
            baseline_at=baseline_at,
            first_instant_at=first_instant_at,
            created_at=plan.registered_at,
            state="planned",
            **own,
        )
    )
    await connection.execute(
        sa.insert(shipment_plan).values(
            shipment_id=plan.id,
            plan_version=plan.plan_version,
            known_from=plan.registered_at,
            plan=document(plan),
            **own,
        )
    )
    await _insert_tags(connection, plan, tags_of(plan))
    await connection.execute(
        sa.insert(shipment_due).values(shipment_id=plan.id, version=1, assess_at=plan.registered_at, **own)
    )


async def insert_version(
    connection: AsyncConnection, plan: Shipment, *, known_from: datetime, first_instant_at: datetime
) -> None:
    """Put a new version of a plan in force; names that it had before still find it."""
    await connection.execute(
        sa.insert(shipment_plan).values(
            shipment_id=plan.id,
            plan_version=plan.plan_version,
            organisation_id=plan.organisation_id,
            known_from=known_from,
            plan=document(plan),
        )
    )
    first = shipment.c.first_instant_at
    earlier = sa.literal(first_instant_at, type_=first.type)
    await connection.execute(
        sa.update(shipment)
        .where(shipment.c.id == plan.id)
        .values(
            plan_version=plan.plan_version,
            first_instant_at=sa.case((first > earlier, earlier), else_=first),
        )
    )
    tag = shipment_tag.c
    rows = await connection.execute(sa.select(tag.kind, tag.value).where(tag.shipment_id == plan.id))
    await _insert_tags(connection, plan, tags_of(plan) - {(row.kind, row.value) for row in rows})


async def _insert_tags(connection: AsyncConnection, plan: Shipment, tags: Collection[Name]) -> None:
    own = {"shipment_id": plan.id, "organisation_id": plan.organisation_id}
    if tags:
        rows = [{"kind": kind, "value": value} | own for kind, value in sorted(tags)]
        await connection.execute(sa.insert(shipment_tag), rows)


async def find(connection: AsyncConnection, names: Collection[Named]) -> dict[Named, tuple[str, ...]]:
    """Return the ids of the shipments that bear each name; several where a waybill is shared."""
    found: dict[Named, list[str]] = defaultdict(list)
    referred = [
        {"organisation_id": name[0], "reference": name[2]} for name in names if name[1] == "reference"
    ]
    for row in await bulk.select(connection, shipment, ("organisation_id", "reference", "id"), referred):
        found[row.organisation_id, "reference", row.reference].append(row.id)
    tagged = [dict(zip(_TAG, name, strict=True)) for name in names if name[1] in _TAGGED]
    for row in await bulk.select(connection, shipment_tag, (*_TAG, "shipment_id"), tagged):
        found[row.organisation_id, row.kind, row.value].append(row.shipment_id)
    return {name: tuple(ids) for name, ids in found.items()}


async def briefs(
    connection: AsyncConnection, ids: Collection[str], *, for_update: bool = False
) -> dict[str, Brief]:
    """Return what is known of the shipments, in id order; locked against other writers when asked."""
    of_due = {"version", "latest_event_at"}
    columns = [(shipment_due if name in of_due else shipment).c[name] for name in Brief._fields]
    query = (
        sa.select(*columns)
        .join(shipment_due, shipment_due.c.shipment_id == shipment.c.id)
        .where(bulk.among(connection, shipment.c.id, ids))
        .order_by(shipment.c.id)
    )
    if for_update:
        query = query.with_for_update(of=shipment_due)
    return {row.id: Brief._make(row) for row in await connection.execute(query)}


async def versions_at(
    connection: AsyncConnection, ids: Collection[str], *, known_at: datetime
) -> dict[str, int]:
    """Return the plan version in force at an instant; absent where the shipment was not registered yet."""
    plan = shipment_plan.c
    query = (
        sa.select(plan.shipment_id, sa.func.max(plan.plan_version).label("plan_version"))
        .where(plan.shipment_id.in_(list(ids)), plan.known_from <= known_at)
        .group_by(plan.shipment_id)
    )
    return {row.shipment_id: row.plan_version for row in await connection.execute(query)}


class Plans:
    """Plans by shipment and version; a version never changes, so each is read and parsed once."""

    def __init__(self, *, kept: int = 20_000) -> None:
        self._kept = kept
        self._plans: dict[tuple[str, int], Shipment] = {}

    def kept(self, shipment_id: str, plan_version: int) -> Shipment | None:
        """Return a plan if it is at hand."""
        return self._plans.get((shipment_id, plan_version))

    async def load(self, connection: AsyncConnection, found: Mapping[str, Brief]) -> dict[str, Shipment]:
        """Return the plan in force of each shipment."""
        wanted = {one.id: (one.id, one.plan_version) for one in found.values()}
        # Held here until all are there: what is read below may push others out of what is kept.
        plans = {key: plan for key in wanted.values() if (plan := self._plans.get(key)) is not None}
        missing = [shipment_id for shipment_id, key in wanted.items() if key not in plans]
        if missing:
            row = shipment_plan.c
            query = sa.select(row.shipment_id, row.plan_version, row.plan).where(
                bulk.among(connection, row.shipment_id, missing)
            )
            for shipment_id, plan_version, plan in await connection.execute(query):
                plans[shipment_id, plan_version] = _PLANS.validate_python(plan)
                self._keep((shipment_id, plan_version), plans[shipment_id, plan_version])
        return {shipment_id: plans[key] for shipment_id, key in wanted.items()}

    def _keep(self, key: tuple[str, int], plan: Shipment) -> None:
        if len(self._plans) >= self._kept:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan


async def carriers_of(
    connection: AsyncConnection, organisation_id: str, devices: Collection[str]
) -> dict[str, set[str]]:
    """Return the devices among these that each shipment names, by shipment id."""
    like = [{"organisation_id": organisation_id, "kind": "device", "value": one} for one in devices]
    found: dict[str, set[str]] = {}
    for row in await bulk.select(connection, shipment_tag, ("shipment_id", "value"), like):
        found.setdefault(row.shipment_id, set()).add(row.value)
    return found


async def add_tags(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write further names of shipments; one that is there already stays."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if rows:
        await connection.execute(insert(shipment_tag).on_conflict_do_nothing(), list(rows))


async def ids_with_tag(
    connection: AsyncConnection, organisation_id: str, kind: str, values: Collection[str]
) -> set[str]:
    """Return the shipments that bear any of the values."""
    tag = shipment_tag.c
    query = sa.select(tag.shipment_id).where(
        tag.organisation_id == organisation_id, tag.kind == kind, tag.value.in_(list(values))
    )
    return set(await connection.scalars(query))


async def page(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    filters: Sequence[sa.ColumnElement[bool]],
    sort: Sort,
    after: tuple[float | None, str] | None,
    limit: int,
) -> Sequence[Record]:
    """Return shipments: the newest first, or the ones with the least slack, those without any last.

    `after` is the last one already listed, by its slack and its id.
    """
    own, slack = shipment.c.id, shipment.c.slack_p50_minutes
    query = sa.select(shipment).where(shipment.c.organisation_id == organisation_id, *filters)
    if after is not None:
        query = query.where(_follows(sort, *after))
    order = (own.desc(),) if sort == "-created_at" else (slack.asc().nulls_last(), own)
    return (await connection.execute(query.order_by(*order).limit(limit))).all()


def _follows(sort: Sort, last_slack: float | None, last_id: str) -> sa.ColumnElement[bool]:
    own, slack = shipment.c.id, shipment.c.slack_p50_minutes
    if sort == "-created_at":
        return own < last_id
    if last_slack is None:
        return sa.and_(slack.is_(None), own > last_id)
    return sa.or_(slack.is_(None), slack > last_slack, sa.and_(slack == last_slack, own > last_id))


def at_risk() -> sa.ColumnElement[bool]:
    """Return the condition that a shipment under way may lose a dose, or has an alert of warning or above."""
    late = sa.func.coalesce(shipment.c.late_probability, 0.0) >= AT_RISK
    warned = sa.func.coalesce(shipment.c.worst_severity, "info") != "info"
    return sa.and_(shipment.c.state.in_(UNDER_WAY), sa.or_(late, warned))


def tagged(kind: str, value: str) -> sa.ColumnElement[bool]:
    """Return the condition that a shipment bears a tag."""
    tag = shipment_tag.c
    return shipment.c.id.in_(
        sa.select(tag.shipment_id).where(
            tag.organisation_id == shipment.c.organisation_id, tag.kind == kind, tag.value == value
        )
    )


async def store_assessed(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write what lists show of the last assessment; each row has the `id` and the columns."""
    await bulk.update(connection, shipment, rows)


def seen_by(caller: Caller) -> Sequence[sa.ColumnElement[bool]]:
    """Return what narrows a list to the caller's own shipments, as `may` judges one by one."""
    if caller.role == "courier":
        return [tagged("carrier", caller.carrier or "")]
    own = ((shipment.c.site_id, caller.site_id), (shipment.c.study, caller.study))
    return [column == value for column, value in own if value is not None]
