"""What routes are handed: who calls, the services, and ids that are ids."""

from collections.abc import Awaitable, Callable
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request

from app.auth import authenticate, permit
from app.clock import Clock
from app.domain.access import Caller
from app.errors import NotFound
from app.pipeline.house import House
from app.routers.middleware import header


class NoSuchId(NotFound):
    """No object has an id of this form."""

    code = "not_found"


def house_of(request: Request) -> House:
    """Return the services of this application."""
    return cast(House, request.app.state.house)


def clock_of(request: Request) -> Clock:
    """Return the clock of this application."""
    return house_of(request).clock


class Requires:
    """The dependency of a route on a caller whose role may do `action`; asked once per request."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self, request: Request) -> Caller:
        """Return who calls, or answer 401 or 403."""
        caller: Caller | None = getattr(request.state, "caller", None)
        if caller is None:
            caller = await authenticate(house_of(request).keys, header(request.scope, b"authorization"))
            request.state.caller = caller
            if caller.rate_limit_per_minute is not None:
                await house_of(request).rates.spend(caller)
        permit(caller, self.action)
        return caller


Find = Callable[[House, Caller, str], Awaitable[object]]


class RequiresObject(Requires):
    """The same for a route that writes to one object: what is not there for the caller is 404 whatever the body."""

    def __init__(self, action: str, param: str, find: Find) -> None:
        super().__init__(action)
        self._param, self._find = param, find

    async def __call__(self, request: Request) -> Caller:
        """Return who calls, or answer 401, 403 or 404."""
        caller = await super().__call__(request)
        if not getattr(request.state, "found", False):
            await self._find(house_of(request), caller, parse_id(request.path_params[self._param]))
            request.state.found = True
        return caller


def parse_id(text: str) -> str:
    """Return an id in its canonical form.

    Raises:
        NoSuchId: it is no UUID, so nothing can have it.
    """
    try:
        return str(UUID(text))
    except ValueError as error:
        raise NoSuchId("no such object") from error


HouseDep = Annotated[House, Depends(house_of)]
