"""`Idempotency-Key`: a creating POST that is sent again is answered as it was the first time."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import Request, Response

from app.errors import DosetrailError, FieldError, Invalid
from app.pipeline.idempotency import Kept, Repeatable
from app.routers.dependencies import house_of
from app.store.db import also_writing

HEADER = "idempotency-key"
_SANE = re.compile(r"[\x21-\x7e]{1,255}")


class BadIdempotencyKey(Invalid):
    """An Idempotency-Key is 1 to 255 visible ASCII characters."""

    code = "bad_idempotency_key"


def repeatable(request: Request, body: Any) -> Repeatable | None:
    """Return what makes a repeat of this request one; None when its sender does not ask for it.

    Raises:
        BadIdempotencyKey: the header cannot be a key.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not _SANE.fullmatch(given):
        error = FieldError("", "Idempotency-Key: write 1 to 255 visible ASCII characters")
        raise BadIdempotencyKey("the Idempotency-Key cannot be used", errors=(error,))
    digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Repeatable(request.state.caller.key_id, request.url.path, given, digest)


async def answer(
    request: Request, one: Repeatable, handler: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Answer a request, or tell again what it was answered."""
    kept = house_of(request).idempotency
    if (first := await kept.first_answer(one)) is not None:
        return _again(first)
    try:
        with also_writing(lambda connection: kept.mark(connection, one)):
            response = await handler(request)
    except DosetrailError:
        # It may have failed because the same request, sent at the same moment, was quicker.
        if (first := await kept.first_answer(one)) is not None:
            return _again(first)
        raise
    location = response.headers.get("location")
    await kept.keep(
        one, status=response.status_code, location=location, body=orjson.loads(bytes(response.body))
    )
    return response


def _again(first: Kept) -> Response:
    headers = {"Idempotent-Replayed": "true"} | ({"Location": first.location} if first.location else {})
    return Response(first.body, status_code=first.status, headers=headers, media_type="application/json")
