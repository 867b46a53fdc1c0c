"""One attempt at one delivery: signed, guarded, and over within the deadline whatever the other side does."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.domain import delivery as rules
from app.errors import DosetrailError
from app.pipeline import envelopes, guard
from app.pipeline.signing import signature
from app.store.tables import Record
from app.telemetry import log

DEADLINE_S = 15.0
RESPONSE_MAX = 16 * 1024
USER_AGENT = "dosetrail-webhooks/1"
ORIGIN = "dosetrail"
"""What we call ourselves when we ask an endpoint whether it wants our webhooks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt; `status` None: no answer, and `error` says why.

    `refused`: never to be tried again. `agreed`: the endpoint has said in this attempt that it wants our webhooks.
    """

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    body: str = ""
    retry_after: str | None = None
    refused: bool = False
    agreed: bool = False


@contextlib.asynccontextmanager
async def guarded_client(
    allowed: Sequence[guard.Network], *, resolve: guard.Resolve, connections: int
) -> AsyncIterator[httpx.AsyncClient]:
    """Give the client of all attempts: guarded, without proxies, redirects, cookies or unpacking."""
    context = ssl.create_default_context()

    def transport(gate: guard.Gate) -> AiohttpTransport:
        connector = aiohttp.TCPConnector(
            resolver=guard.GuardedResolver(gate, resolve),
            socket_factory=gate.open_socket,
            ssl=context,
            limit=connections,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return AiohttpTransport(client=session, verify=context, trust_env=False)

    async with httpx.AsyncClient(
        transport=transport(guard.Gate(allowed)),
        mounts={"http://": transport(guard.Gate(allowed, inside_only=True))},
        trust_env=False,
        follow_redirects=False,
        timeout=DEADLINE_S,
        # One subscriber's cookie must not reach another's endpoint on the same host.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    ) as client:
        yield client


async def attempt(client: httpx.AsyncClient, one: Record, secrets: list[str], *, at: datetime) -> Answer:
    """Send one delivery once and tell what came of it; it never raises."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(DEADLINE_S):
            told = await _converse(client, one, secrets, at=at)
    except TimeoutError:
        told = {"error": "deadline"}
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        told = {"error": "bad_url", "refused": True}
    except (httpx.HTTPError, aiohttp.ClientError, DosetrailError, OSError, ValueError) as error:
        told = _failure(error)
    except Exception as error:  # noqa: BLE001 - one endpoint's oddity must not stop what goes to the others
        log.error("attempt failed in an unknown way", delivery_id=one.id, exc_info=error)
        told = _failure(error)
    return Answer(at, round((time.monotonic() - started) * 1000), **told)


async def _converse(
    client: httpx.AsyncClient, one: Record, secrets: list[str], *, at: datetime
) -> dict[str, Any]:
    """Ask whether we are wanted, where that is to be asked and has not been, and post."""
    asks = one.handshake and one.handshaken_at is None
    if asks:
        refusal = await _shake_hands(client, one.url)
        if refusal is not None:
            return refusal
    body, content_type = envelopes.wrap(one)
    timestamp = int(at.timestamp())
    headers = {
        "webhook-id": one.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secrets, message_id=one.message_id, timestamp=timestamp, body=body),
        "content-type": content_type,
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
    }
    async with client.stream("POST", one.url, content=body, headers=headers) as response:
        head = await _head(response)
    status = response.status_code
    asked = response.headers.get("retry-after") if rules.says_later(status) else None
    error = rules.flag_of(status)
    return {"status": status, "error": error, "body": head, "retry_after": asked, "agreed": asks}


async def _shake_hands(client: httpx.AsyncClient, url: str) -> dict[str, Any] | None:
    """Return None when the endpoint lets us send, else what the attempt has come to.

    Source: CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, section 4 (abuse protection).
    """
    headers = {"webhook-request-origin": ORIGIN, "accept-encoding": "identity", "user-agent": USER_AGENT}
    async with client.stream("OPTIONS", url, headers=headers) as response:
        head = await _head(response)
    if response.is_success and response.headers.get("webhook-allowed-origin") in {"*", ORIGIN}:
        return None
    # No status: whatever it answered to the question, it has not answered to the message.
    return {"error": "handshake_refused", "body": head}


async def _head(response: httpx.Response) -> str:
    """Return the first bytes of an answer, raw: what it unpacks to is none of our business."""
    kept = bytearray()
    async for chunk in response.aiter_raw():
        kept += chunk
        if len(kept) >= RESPONSE_MAX:
            break
    return kept[:RESPONSE_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _failure(error: BaseException) -> dict[str, Any]:
    """Return the class of an error as the delivery log shows it; the guard's refusal may lie deep inside it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, guard.BlockedAddress):
            return {"error": cause.code, "refused": True}
        cause = cause.__cause__ or cause.__context__
    return {"error": type(error.__cause__ or error).__name__}
