"""Couriers that send every scan twice, in no order, and repeat what was not answered while the service dies."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.service import Service

CLIENTS = 32
LANES = 8
"""Requests that one client has open at a time: a handheld that empties its queue."""

IN_FLIGHT_AT_A_KILL = 100


@dataclass
class Storm:
    """What the clients do, and what they were answered: the ledger that the database is held against."""

    service: Service
    headers: dict[str, str]
    kill_after: Sequence[int] = ()
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: list[tuple[int, str]] = field(default_factory=list)
    in_flight_at_kills: list[int] = field(default_factory=list)
    answers: int = 0
    in_flight: int = 0
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _down: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, events: Sequence[dict[str, Any]], *, seed: int) -> None:
        """Send all of them twice, and return when each was acknowledged twice."""
        queue = [*events, *events]
        random.Random(seed).shuffle(queue)
        self._up.set()
        async with asyncio.TaskGroup() as together:
            medic = together.create_task(self._revive())
            clients = [together.create_task(self._client(queue[n::CLIENTS])) for n in range(CLIENTS)]
            await asyncio.wait(clients)
            medic.cancel()

    async def _client(self, scans: list[dict[str, Any]]) -> None:
        connector = aiohttp.TCPConnector(limit=LANES)
        async with (
            aiohttp.ClientSession(self.service.url, connector=connector, headers=self.headers) as session,
            asyncio.TaskGroup() as lanes,
        ):
            for _ in range(LANES):
                lanes.create_task(self._lane(session, scans))

    async def _lane(self, session: aiohttp.ClientSession, scans: list[dict[str, Any]]) -> None:
        while scans:
            scan = scans.pop()
            while not await self._sent(session, scan):
                await self._up.wait()

    async def _sent(self, session: aiohttp.ClientSession, scan: dict[str, Any]) -> bool:
        """Post once, and say whether the answer was final; anything but 2xx and 4xx means: unknown, repeat."""
        self.in_flight += 1
        try:
            async with session.post("/v1/events", json=scan) as answer:
                text = await answer.text()
                if answer.status < 300:
                    receipt = await answer.json()
        except (aiohttp.ClientError, OSError):
            return False
        finally:
            self.in_flight -= 1
        if answer.status < 300:
            self._acknowledge(scan["event_id"], receipt["id"])
            return True
        if answer.status < 500:
            self.refused.append((answer.status, text))
            return True
        return False

    def _acknowledge(self, event_id: str, id_: str) -> None:
        self.acknowledged[event_id].add(id_)
        self.answers += 1
        kills = len(self.in_flight_at_kills)
        due = kills < len(self.kill_after) and self.answers >= self.kill_after[kills]
        if due and self._up.is_set() and self.in_flight >= IN_FLIGHT_AT_A_KILL:
            self._up.clear()
            self.in_flight_at_kills.append(self.in_flight)
            self.service.kill()
            self._down.set()

    async def _revive(self) -> None:
        while True:
            await self._down.wait()
            self._down.clear()
            await self.service.start()
            self._up.set()
