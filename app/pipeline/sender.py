"""One attempt at one delivery: signed, guarded, and over within the deadline whatever the other side does."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.domain import delivery as rules
from app.errors import DosetrailError
from app.pipeline import guard
from app.store.tables import Record
from app.telemetry import log

DEADLINE_S = 15.0
RESPONSE_MAX = 16 * 1024
USER_AGENT = "dosetrail-webhooks/1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt; `status` None: no answer, and `error` says why. `refused`: never to be tried again."""

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    body: str = ""
    retry_after: str | None = None
    refused: bool = False


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


async def attempt(client: httpx.AsyncClient, one: Record, keys: list[bytes], *, at: datetime) -> Answer:
    """Send one delivery once and tell what came of it; it never raises."""
    started = time.monotonic()

    def answer(
        *, status: int | None = None, error: str | None = None, body: str = "", retry_after: str | None = None
    ) -> Answer:
        took_ms = round((time.monotonic() - started) * 1000)
        refused = error in {"blocked_address", "bad_url"}
        return Answer(at, took_ms, status, error, body, retry_after, refused)

    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            client.stream(
                "POST", one.url, content=bytes(one.body), headers=_headers(one, keys, at=at)
            ) as response,
        ):
            body = await _head(response)
        status = response.status_code
        asked = response.headers.get("retry-after") if rules.says_later(status) else None
        return answer(status=status, error=rules.flag_of(status), body=body, retry_after=asked)
    except TimeoutError:
        return answer(error="deadline")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return answer(error="bad_url")
    except (httpx.HTTPError, aiohttp.ClientError, DosetrailError, OSError, ValueError) as error:
        return answer(error=_name_of(error))
    except Exception as error:  # noqa: BLE001 - one endpoint's oddity must not stop what goes to the others
        log.error("attempt failed in an unknown way", delivery_id=one.id, exc_info=error)
        return answer(error=_name_of(error))


def _headers(one: Record, keys: list[bytes], *, at: datetime) -> dict[str, str]:
    timestamp = int(at.timestamp())
    signed = rules.signature(keys, message_id=one.message_id, timestamp=timestamp, body=bytes(one.body))
    return {
        "webhook-id": one.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
    }


async def _head(response: httpx.Response) -> str:
    """Return the first bytes of an answer, raw: what it unpacks to is none of our business."""
    kept = bytearray()
    async for chunk in response.aiter_raw():
        kept += chunk
        if len(kept) >= RESPONSE_MAX:
            break
    return kept[:RESPONSE_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _name_of(error: BaseException) -> str:
    """Return the class of an error as the delivery log shows it; a refusal deep inside it counts as one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, guard.BlockedAddress):
            return "blocked_address"
        cause = cause.__cause__ or cause.__context__
    return type(error.__cause__ or error).__name__
