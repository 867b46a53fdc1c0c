"""Load: many connections, one request in flight on each, over bare sockets so that the client costs little."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

CONNECTIONS = 64
WARM_UP_S = 0.5
END = b"\r\n\r\n"


class BrokenAnswer(Exception):
    """A server closed a connection in the middle of a run."""


@dataclass(slots=True)
class Load:
    """What the clients saw after the warm-up: answers by status, and how long each took."""

    statuses: Counter[int] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    sent: int = 0
    """All requests, those of the warm-up too: CPU time is counted over them."""

    @property
    def count(self) -> int:
        """Return how many answers came."""
        return len(self.took_s)

    @property
    def per_s(self) -> float:
        """Return answers per second."""
        return self.count / self.elapsed_s

    def quantile_ms(self, share: float) -> float:
        """Return the time within which this share of the answers came."""
        return sorted(self.took_s)[min(int(self.count * share), self.count - 1)] * 1000

    def add(self, other: "Load") -> None:
        """Take in another round of the same load."""
        self.statuses += other.statuses
        self.took_s += other.took_s
        self.elapsed_s += other.elapsed_s
        self.sent += other.sent


class _Client(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends the next."""

    def __init__(self, requests: Iterator[bytes], load: Load, *, begin_s: float, end_s: float) -> None:
        self._requests, self._load, self._begin_s, self._end_s = requests, load, begin_s, end_s
        self._sent_s, self._head, self._missing = 0.0, b"", 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read on; the answer is over when its length says so."""
        if not self._missing:
            self._head += data
            if END not in self._head:
                return
            head, _, body = self._head.partition(END)
            self._missing = _length(head) - len(body)
            self._status = int(head[9:12])
            self._head = b""
        else:
            self._missing -= len(data)
        if self._missing == 0:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run unless it is over."""
        if not self.done.done():
            self.done.set_exception(exc or BrokenAnswer("the server closed a connection"))

    def _answered(self) -> None:
        now_s = time.perf_counter()
        if self._sent_s >= self._begin_s and now_s <= self._end_s:
            self._load.statuses[self._status] += 1
            self._load.took_s.append(now_s - self._sent_s)
        self._send()

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        if self._sent_s < self._end_s:
            self._load.sent += 1
            self._transport.write(next(self._requests))
            return
        self.done.set_result(None)
        self._transport.close()


async def drive(port: int, requests: Iterator[bytes], *, seconds: float) -> Load:
    """Send requests from 64 connections for so many seconds after the warm-up."""
    load, begin_s = Load(elapsed_s=seconds), time.perf_counter() + WARM_UP_S
    clients: Sequence[_Client] = [
        _Client(requests, load, begin_s=begin_s, end_s=begin_s + seconds) for _ in range(CONNECTIONS)
    ]
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    return load


def request(method: str, path: str, *, key: str, body: bytes = b"", headers: str = "") -> bytes:
    """Return a whole HTTP request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n{headers}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _length(head: bytes) -> int:
    at = head.find(b"content-length: ")
    return int(head[at + 16 :].partition(b"\r")[0]) if at >= 0 else 0
