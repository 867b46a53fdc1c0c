"""The command `dosetrail`: calls, decides nothing."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal, TypeVar

import typer
import uvicorn
from fastapi import FastAPI
from rich.progress import Progress

from app.commands import secrets, webhooks
from app.commands.running import errors, fail, run, settings_of_environment
from app.demo import run as demo_run
from app.domain.access import Role
from app.domain.seals import SealKey
from app.errors import DosetrailError
from app.main import compose, create_app, prepare, running, stored_clock
from app.pipeline import backtest as backtests
from app.pipeline.house import House
from app.pipeline.seals import Seals
from app.pipeline.secrets import keys_of
from app.settings import Settings
from app.store import schema
from app.store.db import Database

app = typer.Typer(
    help="Dosetrail: how much activity is left in each dose, when it will arrive, and whether it will still be usable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
audit_app = typer.Typer(help="The audit's seals.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(secrets.app, name="secrets")

GRACEFUL_SHUTDOWN_S = 20
GARBAGE_THRESHOLD = 20_000
"""New objects between two looks for garbage; Python's own 700 is a few requests."""
SWITCH_INTERVAL_S = 0.001
"""How long a thread that computes (assessments, SQLite) may keep the event loop waiting; Python's own 5 ms add up."""

T = TypeVar("T")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    scheduler: Annotated[bool, typer.Option(help="Assess due shipments in this process.")] = True,
    dispatcher: Annotated[bool, typer.Option(help="Send webhooks from this process.")] = True,
) -> None:
    """Run the API, the scheduler and the dispatcher; settings come from the environment (DOSETRAIL_…)."""
    settings = settings_of_environment()
    _free(host, port)
    run(_openable(settings))
    application = create_app(settings, scheduler=scheduler, dispatcher=dispatcher)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
    server = _Server(config, application)
    typer.echo(f"Dosetrail serves http://{host}:{port} (documentation at /docs); stop it with Ctrl-C.")
    server.run()
    if not server.started:
        raise typer.Exit(1)


@app.command()
def worker() -> None:
    """Run the scheduler and the dispatcher without the API, beside `serve --no-scheduler --no-dispatcher`."""
    run(_work(settings_of_environment()))


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    run(_migrate(settings_of_environment()))
    typer.echo("The schema is current.")


@keys_app.command("create")
def create_key(
    organisation: Annotated[str, typer.Option(help="Name of the organisation; made when it is not there.")],
    role: Annotated[
        Literal["admin"], typer.Option(help="Only admin: the API makes all other keys.")
    ] = "admin",
) -> None:
    """Make an admin key of an organisation and print it, this once."""
    typer.echo(run(_create_key(settings_of_environment(), organisation, role)))


@audit_app.command("verify")
def verify_audit(
    anchor: Annotated[
        list[str] | None, typer.Option(help="SEQUENCE:CODE kept elsewhere; a tail dropped since then shows.")
    ] = None,
) -> None:
    """Read the whole audit against its seals; name the first entry that was changed, deleted or inserted."""
    proof = run(_with_seals(settings_of_environment(), lambda seals: seals.verify(anchors=anchor or ())))
    if proof.finding is not None:
        entry = f"audit entry {proof.finding.entry_id}: " if proof.finding.entry_id else ""
        errors.print(f"{entry}{proof.finding.what}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    typer.echo(
        f"{proof.entries} entries under {proof.seals} seals are as they were written; "
        f"{proof.waiting} younger ones are not sealed yet."
    )


@audit_app.command("anchor")
def anchor_audit() -> None:
    """Print the last seal, to be kept where nobody who can write the database can write."""
    typer.echo(
        run(_with_seals(settings_of_environment(), lambda seals: seals.anchor())) or "Nothing is sealed yet."
    )


@app.command()
def backtest(
    history: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A leg history, CSV or CSV.GZ.")
    ],
    count_from: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Judge forecasts from this day (UTC) on, and only learn before it. Without it: the last quarter.",
        ),
    ] = None,
    mode: Annotated[Literal["road", "air", "rail"], typer.Option(help="Which legs.")] = "air",
    same_day: Annotated[bool, typer.Option(help="Also use what other legs tell on the same day.")] = True,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write the tables and curves into this folder.")
    ] = None,
) -> None:
    """Replay a leg history in order of time, and judge each forecast against three baselines."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"cannot make {out}: {error.strerror}")
    with Progress(console=errors, transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        try:
            report = backtests.run(
                history,
                mode=mode,
                count_from=count_from.replace(tzinfo=UTC) if count_from else None,
                same_day=same_day,
                progress=lambda done, doing: bar.update(task, completed=done, description=doing),
            )
        except DosetrailError as error:
            errors.print(error.detail, markup=False, highlight=False)
            raise typer.Exit(1) from None
    for reason, count in report.refused.items():
        errors.print(f"{count:,} rows refused: {reason}", markup=False, highlight=False)
    typer.echo(report.text)
    if out is not None:
        for name, text in {"backtest.md": report.text, **report.curves}.items():
            (out / name).write_text(text, encoding="utf-8")


@app.command()
def demo(
    break_: Annotated[
        Literal["drop", "double", "forge", "mute"] | None,
        typer.Option("--break", help="Plant this fault: the demonstration must then fail."),
    ] = None,
) -> None:
    """Follow 40 doses on real flights, from the scan to the signed alert."""
    raise typer.Exit(demo_run.main(break_))


def main() -> None:
    """Run the command; what is wrong in a way we know is told in one line."""
    app()


class _Server(uvicorn.Server):
    """Uvicorn, which settles down once the application has started, and ends open streams before it stops."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start."""
        await super().startup(sockets)
        _settle_down()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; it waits for every connection, and a stream would never end by itself."""
        house: House | None = getattr(self._application.state, "house", None)
        if house is not None:
            house.streams.stop()
        super().handle_exit(sig, frame)


def _settle_down() -> None:
    """Keep pauses short: start-up's objects are walked by no collector, and threads yield to the event loop soon."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def _free(host: str, port: int) -> None:
    """Say in one line that the port is taken, before anything is opened."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror}")


async def _openable(settings: Settings) -> None:
    """Open and close everything once, so that what is wrong is one line and not a server's traceback."""
    async with running(settings, scheduler=False, dispatcher=False):
        pass


async def _migrate(settings: Settings) -> None:
    db = Database(settings.database_url)
    try:
        await schema.migrate(db)
    finally:
        await db.close()


async def _create_key(settings: Settings, organisation: str, role: Role) -> str:
    db = Database(settings.database_url)
    try:
        await prepare(db)
        house = await compose(settings, db, await stored_clock(db, settings.clock))
        return await house.keys.create_for(organisation, role)
    finally:
        await db.close()


async def _with_seals(settings: Settings, ask: Callable[[Seals], Awaitable[T]]) -> T:
    db = Database(settings.database_url)
    try:
        clock = await stored_clock(db, settings.clock)
        return await ask(Seals(db, clock, [SealKey.of(key) for key in keys_of(settings)]))
    finally:
        await db.close()


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(settings):
        _settle_down()
        await stop.wait()


if __name__ == "__main__":
    main()
