"""The busiest routes, answered without the framework's machinery, which would be most of their cost.

Each is an ordinary route of its router too, where it is documented; here the same function is only reached sooner.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import DosetrailError
from app.routers.problems import problem_response


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """A method, a whole path with at most one id in it, and what answers."""

    method: str
    path: re.Pattern[str]
    answer: Callable[..., Awaitable[Response]]


class PlainRoutes:
    """Pure ASGI: a request that matches a plain route and has no query goes there, every other passes on."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[PlainRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and not scope["query_string"]:
            for route in self._routes:
                if route.method == scope["method"] and (match := route.path.fullmatch(scope["path"])):
                    await self._answer(route, match, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(
        self, route: PlainRoute, match: re.Match[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        request = Request(scope, receive)
        try:
            response = await route.answer(request, **match.groupdict())
        except DosetrailError as error:
            response = problem_response(request, error)
        await response(scope, receive, send)
