"""Access before the body, the body before its shape: the order in which a request is judged."""

import zlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.errors import FieldError, Invalid
from app.formats import strict_json
from app.routers import once
from app.routers.dependencies import Requires
from app.routers.middleware import header
from app.routers.problems import BodyTooLarge, UnsupportedMediaType

BODY_MAX = 64 * 1024
BULK_MAX = 8 * 1024 * 1024
"""Limits in bytes, after decompression. Source: the contract."""


class UnknownQuery(Invalid):
    """A query parameter is not known here: a mistyped filter must not list everything."""

    code = "unknown_query"


class CheckedRoute(APIRoute):
    """A route that asks who calls before it reads query and body, and reads both strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its checks before it."""
        handler = super().get_route_handler()
        guards = [one.call for one in self.dependant.dependencies if isinstance(one.call, Requires)]
        queries = set(_query_names(self.dependant))
        takes_body = self.body_field is not None
        creates = self.status_code == 201 and "POST" in (self.methods or ())

        async def checked(request: Request) -> Response:
            for guard in guards:
                await guard(request)
            if unknown := sorted(set(request.query_params) - queries):
                raise _unknown_query(unknown)
            value = None
            if takes_body:
                value = await json_body(request, limit=BODY_MAX)
                # Starlette's own caches: FastAPI then reads what was already parsed.
                request._json = value
                request._body = b"-"
            repeatable = once.repeatable(request, value) if creates else None
            return await (once.answer(request, repeatable, handler) if repeatable else handler(request))

        return checked


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the whole schema of a body that a route reads itself: definitions of its own have no place in OpenAPI."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            return whole(definitions[name]) if name in definitions else {k: whole(v) for k, v in part.items()}
        return [whole(one) for one in part] if isinstance(part, list) else part

    return dict(whole(schema))


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Yield the query parameters of a route and of what it depends on."""
    yield from (param.alias for param in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _unknown_query(names: Sequence[str]) -> UnknownQuery:
    """Return the refusal of parameters that the route does not have; a name is told as far as it is sane."""
    told = (name.encode("ascii", "replace").decode()[:80] for name in names[:20])
    errors = tuple(FieldError(f"?{name}", "this list or object takes no such parameter") for name in told)
    return UnknownQuery("a query parameter is not known here; it would be silently dropped", errors=errors)


async def json_body(request: Request, *, limit: int) -> Any:
    """Return the request's JSON value; an absent content type counts as JSON.

    Raises:
        UnsupportedMediaType, BodyTooLarge, UnparseableBody, AmbiguousJson.
    """
    if media_type(request) not in {"", "application/json"}:
        raise UnsupportedMediaType("send application/json")
    return strict_json.parse(await limited_body(request, limit=limit))


def media_type(request: Request) -> str:
    """Return the content type without its parameters, in small letters."""
    return header(request.scope, b"content-type").partition(";")[0].strip().lower()


async def limited_body(request: Request, *, limit: int) -> bytes:
    """Return the body, unpacked when it is gzip, and read no further than the limit.

    Raises:
        BodyTooLarge: it is longer, before or after unpacking.
        UnsupportedMediaType: it is packed in another way, or is no gzip after all.
    """
    coding = header(request.scope, b"content-encoding").lower() or "identity"
    if coding not in {"identity", "gzip"}:
        raise UnsupportedMediaType("send the body plain or as gzip")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"the body may hold {limit} bytes at most; split it")
        chunks.append(chunk)
    body = b"".join(chunks)
    return _unpacked(body, limit=limit) if coding == "gzip" else body


def _unpacked(body: bytes, *, limit: int) -> bytes:
    """Unpack every member of the file: what one sender packs in two pieces is still one body."""
    plain = b""
    while body:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            plain += unpacker.decompress(body, limit + 1 - len(plain))
        except zlib.error as error:
            raise UnsupportedMediaType("the body says it is gzip and is not") from error
        if len(plain) > limit:
            raise BodyTooLarge(f"the body may hold {limit} bytes at most after unpacking; split it")
        if not unpacker.eof:
            raise UnsupportedMediaType("the gzip body is cut off")
        body = unpacker.unused_data
    return plain
