"""How many requests a key may make: a bucket that holds a minute's worth and fills again evenly.

The bucket is one number in the database (the generic cell rate algorithm), so all processes share it; only keys with
a limit pay for looking. Time is the wall's.
"""

import math
from datetime import timedelta

from app.clock import Clock
from app.domain.access import Caller
from app.errors import DosetrailError
from app.models.base import EPOCH
from app.store import rates
from app.store.db import Database

MINUTE_US = 60_000_000


class RateLimited(DosetrailError):
    """The key has made more requests than its limit allows."""

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Rates:
    """Counts the requests of keys that have a limit."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def spend(self, caller: Caller) -> None:
        """Let a request pass.

        Raises:
            RateLimited: the key's minute is used up; a request refused costs nothing.
        """
        limit = caller.rate_limit_per_minute
        if limit is None:
            return
        now_us = (self._clock.wall() - EPOCH) // timedelta(microseconds=1)
        cost_us = MINUTE_US // limit
        async with self._db.transaction() as connection:
            wait_us = await rates.spend(
                connection, caller.key_id, now_us=now_us, cost_us=cost_us, span_us=cost_us * limit
            )
        if wait_us is not None:
            raise RateLimited(
                f"this key may make {limit} requests a minute; send events in batches",
                retry_after_s=max(math.ceil(wait_us / 1_000_000), 1),
            )
