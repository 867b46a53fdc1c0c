"""Look-ups that wait together are made together: the next query is for all who came while the last one ran."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE_MAX = 256


class Gathering(Generic[K, V]):
    """Gets values by key; `read` is given the keys of all who wait, and a key that it leaves out is None."""

    def __init__(self, read: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return the value as it stands now or a little later, never as it stood before the question.

        Raises:
            Exception: whatever `read` raises, to each who waits for it.
        """
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._reader is None:
                self._reader = asyncio.create_task(self._run(), name="gathering")
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:AT_ONCE_MAX]
                batch = {key: self._waiting.pop(key) for key in keys}
                try:
                    found = await self._read(keys)
                except Exception as error:  # noqa: BLE001 - each who asked is told
                    for future in batch.values():
                        future.set_exception(error)
                        future.exception()  # nobody may be left to see it, which is no news for the log
                    continue
                for key, future in batch.items():
                    future.set_result(found.get(key))
        finally:
            self._reader = None
