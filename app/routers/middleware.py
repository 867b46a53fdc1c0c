"""Request ids: echoed when sane, made otherwise, and bound to every log line of the request."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.models.base import new_id
from app.telemetry import request_id

_SANE = re.compile(r"[\x21-\x7e]{1,128}")
_NAME = b"x-request-id"


class RequestIds:
    """Pure ASGI, so that streams pass through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header(scope, _NAME)
        id_ = given if _SANE.fullmatch(given) else new_id()
        scope["dosetrail_request_id"] = id_
        named = (_NAME, id_.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *(pair for pair in message.get("headers", ()) if pair[0] != _NAME),
                    named,
                ]
            await send(message)

        bound = request_id.set(id_)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id.reset(bound)


def header(scope: Scope, name: bytes) -> str:
    """Return a request header, its name in small letters; empty when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return ""
