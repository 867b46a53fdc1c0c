"""The composition root: settings → clock and engine → services → routers → loops, in one lifespan."""

import asyncio
import fcntl
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import IO

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI

from app.clock import Anchor, Clock, parse_clock, wall_now
from app.domain.seals import SealKey
from app.errors import Conflict, Invalid, Unavailable
from app.pipeline.alerts import Alerts
from app.pipeline.assess import Assessor
from app.pipeline.beats import Beats
from app.pipeline.bell import Bell
from app.pipeline.calibration import Calibration
from app.pipeline.curves import Curves
from app.pipeline.day_signals import Day
from app.pipeline.deliveries import Deliveries
from app.pipeline.dispatch import Dispatch
from app.pipeline.escalation import Escalations
from app.pipeline.handling import Handling
from app.pipeline.house import House
from app.pipeline.idempotency import Idempotency
from app.pipeline.ingest import Ingest
from app.pipeline.intake import Intake
from app.pipeline.keys import Keys
from app.pipeline.lanes import Lanes
from app.pipeline.questions import Questions
from app.pipeline.rates import Rates
from app.pipeline.readings import Readings
from app.pipeline.record import Record
from app.pipeline.reference import Reference
from app.pipeline.register import Register
from app.pipeline.replan import Replan
from app.pipeline.seals import Seals
from app.pipeline.secrets import cipher_of, keys_of
from app.pipeline.status import Status
from app.pipeline.streams import Streams
from app.pipeline.thresholds import OwnThresholds
from app.pipeline.triage import Triage
from app.pipeline.webhooks import Webhooks
from app.routers import (
    alerts,
    audit,
    calibration,
    curves,
    errors_page,
    escalation,
    events,
    keys,
    lanes,
    openapi,
    problems,
    questions,
    readings,
    reference,
    replan,
    service,
    shipments,
    streams,
    thresholds,
    webhooks,
)
from app.routers.plain import Application, PlainRoute
from app.scheduler import runner
from app.settings import Settings
from app.store import schema
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import clock_anchor
from app.telemetry import Metrics, configure_logging

ROUTERS: Sequence[APIRouter] = (
    keys.router,
    audit.router,
    reference.router,
    lanes.router,
    calibration.router,
    shipments.router,
    replan.router,
    questions.router,
    streams.router,
    events.router,
    readings.router,
    curves.router,
    alerts.router,
    escalation.router,
    thresholds.router,
    webhooks.router,
    service.router,
    errors_page.router,
)
PLAIN: Sequence[PlainRoute] = (
    PlainRoute("POST", re.compile("/v1/events"), events.post_event),
    PlainRoute("GET", re.compile("/v1/shipments/(?P<shipment_id>[^/]+)/status"), shipments.read_status_now),
)


class SecondServer(Conflict):
    """Another process serves the same SQLite file."""

    code = "second_server"


class UnsafeDatabase(Invalid):
    """The PostgreSQL server would lose what it has confirmed."""

    code = "unsafe_database"


class NoSchema(Unavailable):
    """The PostgreSQL database has no tables yet; `dosetrail migrate` makes them."""

    code = "no_schema"


def create_app(
    settings: Settings, *, clock: Clock | None = None, scheduler: bool = True, dispatcher: bool = True
) -> FastAPI:
    """Return the application; nothing is opened before its lifespan begins. `clock` stands in for the settings' own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, clock=clock, scheduler=scheduler, dispatcher=dispatcher) as house:
            app.state.house = house
            yield

    app = Application(
        plain=PLAIN,
        title="Dosetrail",
        version="1",
        summary="How much activity is left in each dose, when it will arrive, and whether it will still be usable.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    service.install_docs(app)
    openapi.install(app)
    return app


@asynccontextmanager
async def running(
    settings: Settings, *, clock: Clock | None = None, scheduler: bool = True, dispatcher: bool = True
) -> AsyncIterator[House]:
    """Open everything, run the loops that are wanted, and close everything in reverse."""
    configure_logging(settings.log_level)
    async with AsyncExitStack() as stack:
        if settings.sqlite_path is not None:
            stack.enter_context(only_server(settings))
        db = Database(settings.database_url)
        stack.push_async_callback(db.close)
        await prepare(db)
        house = await compose(settings, db, clock or await stored_clock(db, settings.clock))
        if settings.bootstrap_admin_key:
            await house.keys.bootstrap(settings.bootstrap_admin_key)
        await stack.enter_async_context(house.intake)
        if scheduler:
            ticks = runner.build(house)
            ticks.start()
            stack.callback(ticks.shutdown, wait=False)
            house.beats.expect("scheduler")
        if dispatcher:
            await stack.enter_async_context(_dispatching(house))
        yield house


async def compose(settings: Settings, db: Database, clock: Clock) -> House:
    """Build the services on an open database."""
    metrics, plans, beats, bell = Metrics(), Plans(), Beats(clock), Bell()
    dispatch = Dispatch(db, clock, settings, cipher_of(settings), metrics=metrics, beat=beats.dispatched)
    ingest = Ingest(db, clock, plans)
    status, record = Status(db, clock, plans), Record(db, clock, plans)
    return House(
        settings=settings,
        clock=clock,
        db=db,
        metrics=metrics,
        beats=beats,
        bell=bell,
        keys=Keys(db, clock),
        rates=Rates(db, clock),
        idempotency=Idempotency(db, clock),
        seals=Seals(db, clock, [SealKey.of(key) for key in keys_of(settings)]),
        reference=Reference(db, clock),
        lanes=Lanes(db, clock),
        day=Day(db, clock, plans),
        calibration=Calibration(db, clock),
        register=Register(db, clock, plans),
        replan=Replan(db, clock, plans),
        record=record,
        questions=Questions(db, clock, plans),
        intake=Intake(db, ingest.write, metrics=metrics, committed=bell.ring),
        readings=Readings(db, clock, plans),
        curves=Curves(db, clock, plans),
        status=status,
        streams=Streams(db, clock, plans, status=status, record=record),
        alerts=Alerts(db, plans),
        triage=Triage(db, clock, plans),
        handling=Handling(db, clock, plans),
        escalations=Escalations(db, clock),
        thresholds=OwnThresholds(db, clock, plans),
        assessor=Assessor(db, clock, plans, metrics=metrics, announced=dispatch.wake),
        webhooks=Webhooks(db, clock, settings, cipher_of(settings)),
        deliveries=Deliveries(db, clock),
        dispatch=dispatch,
    )


async def stored_clock(db: Database, setting: str) -> Clock:
    """Return the clock of a setting, going on from where it was first started on this database."""
    anchor = parse_clock(setting, wall_at=wall_now())
    if anchor is None:
        return Clock()
    async with db.transaction() as connection:
        row = (
            await connection.execute(sa.select(clock_anchor).where(clock_anchor.c.setting == setting))
        ).first()
        if row is not None:
            return Clock(Anchor(wall_at=row.wall_at, domain_at=row.domain_at, rate=row.rate))
        await connection.execute(
            sa.insert(clock_anchor).values(
                setting=setting, wall_at=anchor.wall_at, domain_at=anchor.domain_at, rate=anchor.rate
            )
        )
    return Clock(anchor)


async def prepare(db: Database) -> None:
    """Migrate SQLite; refuse a PostgreSQL that does not flush what it commits, or was never migrated."""
    if db.dialect == "sqlite":
        await schema.migrate(db)
        return
    async with db.reading() as connection:
        if (await connection.execute(sa.text("SHOW fsync"))).scalar_one() != "on":
            raise UnsafeDatabase(
                "PostgreSQL runs with fsync off: an acknowledged event could be lost; turn it on"
            )
        if await schema.is_absent(connection):
            raise NoSchema("the database has no tables yet: run `dosetrail migrate`")


@asynccontextmanager
async def _dispatching(house: House) -> AsyncIterator[None]:
    stop = asyncio.Event()
    house.beats.expect("dispatcher")
    task = asyncio.create_task(house.dispatch.run(stop), name="dispatch")
    try:
        yield
    finally:
        stop.set()
        house.dispatch.wake()
        await asyncio.wait([task])


def only_server(settings: Settings) -> IO[str]:
    """Hold the lock that says which process serves this SQLite file; the system frees it if we die."""
    path = f"{settings.sqlite_path}.lock"
    try:
        lock = open(path, "w", encoding="ascii")  # noqa: SIM115 - held until the service ends
    except OSError as error:
        raise SecondServer(f"cannot write beside the database: {error.strerror} ({path})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SecondServer(
            "another process already serves this SQLite file; use PostgreSQL for several"
        ) from error
    return lock
