"""Telling somebody else when nobody answers: policies, and the scheduler's round over steps that are due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.domain.escalation import EscalationPolicy, verdict
from app.domain.status import instant_text
from app.errors import FieldError, Invalid, NotFound
from app.models.base import new_id
from app.models.policy import PolicyCreate, PolicyPatch, PolicyRead, PolicyStep
from app.pipeline import outbox
from app.pipeline.announcements import unanswered_message
from app.store import alerts, audit, escalations, reference, webhooks
from app.store.db import Database
from app.store.tables import Record, site

JUDGED_AT_ONCE = 100


class UnknownPolicy(NotFound):
    """No such escalation policy in this organisation."""

    code = "unknown_policy"


class BadPolicy(Invalid):
    """The escalation policy names what is not there."""

    code = "bad_policy"


class Escalations:
    """Keeps policies and carries them out; many may run, for a step that is due is locked by the one that judges it."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def create(self, caller: Caller, body: PolicyCreate) -> PolicyRead:
        """Write a policy; for alerts that nobody has answered yet its minutes count from now.

        Raises:
            BadPolicy: it names an endpoint or a site that is not there.
        """
        row = body.model_dump() | {
            "id": new_id(),
            "organisation_id": caller.organisation_id,
            "enabled": True,
            "deleted_at": None,
            "created_at": self._clock.now(),
        }
        async with self._db.transaction() as connection:
            await self._check(connection, caller, body.steps, body.site_id)
            await escalations.insert_policy(connection, row)
            made = await self._own(connection, caller, row["id"])
            await self._plan_anew(connection, made)
            await self._audit(connection, caller, "create", made.id, new=_plain(made))
        return policy_read(made)

    async def read(self, caller: Caller, policy_id: str) -> PolicyRead:
        """Return a policy.

        Raises:
            UnknownPolicy: there is none.
        """
        async with self._db.reading() as connection:
            return policy_read(await self._own(connection, caller, policy_id))

    async def page(self, caller: Caller, *, before_id: str | None, limit: int) -> list[dict[str, Any]]:
        """Return policies, newest first."""
        async with self._db.reading() as connection:
            rows = await escalations.policies(
                connection, caller.organisation_id, before_id=before_id, limit=limit
            )
        return [policy_read(row).model_dump(mode="json") for row in rows]

    async def change(self, caller: Caller, policy_id: str, body: PolicyPatch) -> PolicyRead:
        """Change what the body names; what waits is planned anew from now, what was told stays told.

        Raises:
            BadPolicy: it names an endpoint or a site that is not there.
            UnknownPolicy: there is none.
        """
        values = body.model_dump(exclude_unset=True)
        async with self._db.transaction() as connection:
            old = await self._own(connection, caller, policy_id, for_update=True)
            await self._check(connection, caller, body.steps, body.site_id)
            if values:
                await escalations.change_policy(connection, policy_id, **values)
            made = await self._own(connection, caller, policy_id)
            if _plain(made) != _plain(old):
                await self._plan_anew(connection, made)
                await self._audit(connection, caller, "change", policy_id, old=_plain(old), new=_plain(made))
        return policy_read(made)

    async def delete(self, caller: Caller, policy_id: str) -> None:
        """Take a policy away, and its steps that wait.

        Raises:
            UnknownPolicy: there is none.
        """
        async with self._db.transaction() as connection:
            old = await self._own(connection, caller, policy_id, for_update=True)
            await escalations.change_policy(connection, policy_id, deleted_at=self._clock.now())
            await escalations.drop_waiting(connection, policy_id)
            await self._audit(connection, caller, "delete", policy_id, old=_plain(old))

    async def run_due(self) -> int:
        """Judge the steps that are due and return how many there were."""
        at = self._clock.now()
        async with self._db.transaction() as connection:
            waiting = await escalations.due(connection, at=at, limit=JUDGED_AT_ONCE)
            # Read without a lock: an assessor holds alerts first and steps after, we the other way round.
            rows = await alerts.read(connection, {one.alert_id for one in waiting})
            policies = await escalations.in_force(connection, {row.organisation_id for row in rows.values()})
            by_id = {policy.id: policy for own in policies.values() for policy in own}
            for one in waiting:
                await self._judge(connection, one, rows[one.alert_id], by_id.get(one.policy_id), at=at)
        return len(waiting)

    async def _judge(
        self,
        connection: AsyncConnection,
        one: Record,
        row: Record,
        policy: EscalationPolicy | None,
        *,
        at: datetime,
    ) -> None:
        bindings = {"kind": row.kind, "severity": row.severity, "site_id": row.site_id, "study": row.study}
        judged = verdict(
            covered=policy is not None and policy.covers(**bindings),
            is_open=row.state == "open",
            acknowledged=row.acknowledged_at is not None,
            snoozed_until=row.snoozed_until,
            at=at,
        )
        if judged == "wait":
            await escalations.settle(connection, one, due_at=row.snoozed_until)
        elif judged == "drop" or policy is None:
            await escalations.drop(connection, one)
        else:
            await self._tell(connection, one, row, policy, at=at)
            await escalations.settle(connection, one, told_at=at)

    async def _tell(
        self,
        connection: AsyncConnection,
        one: Record,
        row: Record,
        policy: EscalationPolicy,
        *,
        at: datetime,
    ) -> None:
        step = policy.steps[one.step - 1]
        news = unanswered_message(dict(row._mapping), policy, step, at=at)
        found = await webhooks.endpoints(connection, row.organisation_id, id_=step.endpoint_id)
        told = bool(found) and outbox.may_reach(found[0], news)
        if told:
            await outbox.enqueue_for(connection, found[0], news, at=at, wall_at=self._clock.wall())
        words = f"{policy.name}, step {step.number}: " + ("told" if told else "cannot tell")
        remark = {
            "id": new_id(),
            "alert_id": row.id,
            "at": at,
            "change": "unacknowledged",
            "severity": row.severity,
            "actor": None,
            "comment": f"{words} endpoint {step.endpoint_id}",
            "evidence": {},
        }
        await alerts.record(connection, [remark])

    async def _plan_anew(self, connection: AsyncConnection, row: Record) -> None:
        await escalations.drop_waiting(connection, row.id)
        if not row.enabled:
            return
        policy, at = escalations.policy_of(row), self._clock.now()
        waiting = [
            _waiting(one.id, policy.id, step.number, due_at)
            for one in await escalations.unanswered(connection, row.organisation_id)
            if policy.covers(kind=one.kind, severity=one.severity, site_id=one.site_id, study=one.study)
            for step, due_at in policy.due_from(at)
        ]
        await escalations.plan(connection, waiting)

    async def _check(
        self, connection: AsyncConnection, caller: Caller, steps: Sequence[PolicyStep], site_id: str | None
    ) -> None:
        known = {one.id for one in await webhooks.endpoints(connection, caller.organisation_id)}
        errors = [
            FieldError(f"/steps/{index}/endpoint_id", "no such webhook")
            for index, step in enumerate(steps)
            if step.endpoint_id not in known
        ]
        if (
            site_id is not None
            and await reference.row(connection, site, caller.organisation_id, site_id) is None
        ):
            errors.append(FieldError("/site_id", "no such site"))
        if errors:
            raise BadPolicy("the policy names what is not there", errors=tuple(errors))

    async def _own(
        self, connection: AsyncConnection, caller: Caller, policy_id: str, *, for_update: bool = False
    ) -> Record:
        rows = await escalations.policies(
            connection, caller.organisation_id, id_=policy_id, for_update=for_update
        )
        if not rows:
            raise UnknownPolicy("no such escalation policy")
        return rows[0]

    async def _audit(
        self,
        connection: AsyncConnection,
        caller: Caller,
        action: str,
        policy_id: str,
        *,
        old: dict[str, Any] | None = None,
        new: dict[str, Any] | None = None,
    ) -> None:
        await audit.append(
            connection,
            organisation_id=caller.organisation_id,
            at=self._clock.now(),
            actor=caller.key_id,
            action=action,
            object_kind="escalation_policy",
            object_id=policy_id,
            old=old,
            new=new,
        )


async def follow(
    connection: AsyncConnection,
    changed: Sequence[tuple[Mapping[str, Any], str | None]],
    *,
    organisation_id: str,
    at: datetime,
) -> None:
    """Let the steps of policies wait for alerts that have just become what a policy is about.

    Each change is the alert's row, with its shipment's bindings, and its severity before; None: it has just opened.
    """
    if not changed:
        return
    policies = (await escalations.in_force(connection, [organisation_id]))[organisation_id]
    waiting = [
        _waiting(row["id"], policy.id, step.number, due_at)
        for row, previous in changed
        if row["acknowledged_at"] is None
        for policy in policies
        if policy.begins(severity=row["severity"], previous=previous)
        and policy.covers(
            kind=row["kind"], severity=row["severity"], site_id=row["site_id"], study=row["study"]
        )
        for step, due_at in policy.due_from(at)
    ]
    await escalations.plan(connection, waiting)


def policy_read(row: Record) -> PolicyRead:
    """Return a policy as the contract has it."""
    return PolicyRead.model_validate({name: row._mapping[name] for name in PolicyRead.model_fields})


def _waiting(alert_id: str, policy_id: str, step: int, due_at: datetime) -> dict[str, Any]:
    return {"alert_id": alert_id, "policy_id": policy_id, "step": step, "due_at": due_at, "told_at": None}


def _plain(row: Record) -> dict[str, Any]:
    told = policy_read(row).model_dump(mode="json")
    return told | {"created_at": instant_text(row.created_at)}
