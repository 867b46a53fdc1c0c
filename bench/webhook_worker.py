"""A dispatcher alone, with leases short enough to be killed fifty times: `python -m bench.webhook_worker`."""

import asyncio
from datetime import timedelta

from app.clock import Clock
from app.pipeline import dispatch
from app.pipeline.secrets import cipher_of
from app.settings import Settings
from app.store.db import Database
from app.telemetry import Metrics

LEASE = timedelta(seconds=1.5)


async def main() -> None:
    """Send until killed."""
    dispatch.LEASE = LEASE
    settings = Settings()
    db = Database(settings.database_url)
    worker = dispatch.Dispatch(
        db, Clock(), settings, cipher_of(settings), metrics=Metrics(), beat=lambda _lag_s: None
    )
    await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
