"""Clients that hang up, dawdle or talk nonsense on a real socket: the others notice nothing."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.faults.ledger import findings
from tests.support.api import ADMIN_KEY, Remote, hours
from tests.support.sabotage import database
from tests.support.service import Service, served

HANGING_UP = 300


def request(service: Service, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def say(service: Service, *parts: bytes) -> None:
    """Connect, say these parts and hang up without listening."""
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    writer.transport.abort()


async def exchange(service: Service, said: bytes) -> bytes:
    """Connect, say this and return the answer's first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(said)
    line = await asyncio.wait_for(reader.readline(), 20)
    writer.transport.abort()
    return line


async def test_those_who_hang_up_cost_nobody_anything_and_may_repeat(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        served(database_url, tmp_path, DOSETRAIL_CLOCK=f"{hours(8)}@1") as service,
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
    ):
        remote = Remote(client=client)
        await remote.ship()
        scans = [
            {"event_id": f"s{number}", "reference": "LU-1", "type": "position", "occurred_at": hours(8)}
            for number in range(HANGING_UP)
        ]
        await asyncio.gather(*(say(service, request(service, scan)) for scan in scans))
        await asyncio.gather(*(say(service, request(service, scan)[:-20]) for scan in scans[:50]))

        answers = await asyncio.gather(*(remote.post("/v1/events", scan) for scan in scans))
        ready = await remote.get("/readyz")
        at = (await remote.get("/healthz")).json()["now"]
        await check(database_url, answers, at=at)

    assert {answer.status_code for answer in answers} <= {200, 201}
    assert ready.status_code == 200


async def check(url: str, answers: list[httpx.Response], *, at: str) -> None:
    told = {answer.json()["event_id"]: {answer.json()["id"]} for answer in answers}
    async with database(url) as db:
        assert len(told) == HANGING_UP
        assert await findings(db, told, at=datetime.fromisoformat(at)) == []


NONSENSE = [
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /healthz\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
]


async def test_those_who_speak_no_http_are_turned_away_and_those_who_dawdle_hold_up_nobody(
    tmp_path: Path,
) -> None:
    async with served(f"sqlite+aiosqlite:///{tmp_path / 'odd.db'}", tmp_path) as service:
        dawdlers = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(50)]
        for _, writer in dawdlers:
            writer.write(b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Le")
            await writer.drain()

        lines = [await exchange(service, said) for said in NONSENSE]
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as client:
            alive = await client.get("/healthz")
        for _, writer in dawdlers:
            writer.transport.abort()

    # No line at all: the connection was closed.
    assert [line for line in lines if line and not line.startswith(b"HTTP/1.1 4")] == []
    assert alive.status_code == 200
    assert "Traceback" not in service.words()
