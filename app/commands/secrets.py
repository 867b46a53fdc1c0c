"""`dosetrail secrets …`: the key that encrypts webhook secrets."""

import typer

from app.commands.running import run, settings_of_environment
from app.main import only_server
from app.pipeline.secrets import rotate_keys
from app.settings import Settings
from app.store import schema
from app.store.db import Database

app = typer.Typer(help="The key that encrypts webhook secrets.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `rotate` a command of its own, although it is the only one."""


@app.command()
def rotate() -> None:
    """Encrypt webhook secrets anew: with a new key beside SQLite, else with NEW of DOSETRAIL_SECRET_KEY=NEW,OLD."""
    count = run(_rotate(settings_of_environment()))
    typer.echo(
        f"{count} webhook secrets are encrypted with the new key; the old one only verifies old seals of the audit."
    )


async def _rotate(settings: Settings) -> int:
    lock = only_server(settings) if settings.sqlite_path is not None else None
    db = Database(settings.database_url)
    try:
        if db.dialect == "sqlite":
            await schema.migrate(db)
        return await rotate_keys(db, settings)
    finally:
        await db.close()
        if lock is not None:
            lock.close()
