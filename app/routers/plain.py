"""The busiest routes, answered without the framework's machinery, which would be most of their cost.

Each is an ordinary route of its router too, where it is documented; here the same function is only reached sooner.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from app.errors import DosetrailError
from app.routers.middleware import RequestIds
from app.routers.problems import internal_response, problem_response


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """A method, a whole path with at most one id in it, and what answers."""

    method: str
    path: re.Pattern[str]
    answer: Callable[..., Awaitable[Response]]


class Application(FastAPI):
    """The framework, which is asked only for what no plain route answers: those take no query."""

    def __init__(self, *, plain: Sequence[PlainRoute], **options: Any) -> None:
        super().__init__(**options)
        self._plain = plain
        self._with_id = RequestIds(self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer under a request id, which whatever goes wrong is logged and told with."""
        await self._with_id(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["query_string"]:
            for route in self._plain:
                if route.method == scope["method"] and (match := route.path.fullmatch(scope["path"])):
                    scope["app"] = self
                    await _answer(route, match, Request(scope, receive), send)
                    return
        await super().__call__(scope, receive, send)


async def _answer(route: PlainRoute, match: re.Match[str], request: Request, send: Send) -> None:
    try:
        response = await route.answer(request, **match.groupdict())
    except DosetrailError as error:
        response = problem_response(request, error)
    except Exception as error:
        await internal_response(request, error)(request.scope, request.receive, send)
        raise  # for the server to log, as the framework does
    await response(request.scope, request.receive, send)
