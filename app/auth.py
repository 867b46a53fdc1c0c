"""API key → Caller. Which caller may do what is asked of `domain.access`."""

from app.domain.access import Caller, may
from app.errors import DosetrailError, Forbidden
from app.pipeline.keys import Keys


class Unauthorized(DosetrailError):
    """The request carries no valid key."""

    code = "unauthorized"


class RoleForbids(Forbidden):
    """The key is valid; its role does not do this."""

    code = "role_forbids"


async def authenticate(keys: Keys, authorization: str) -> Caller:
    """Return who calls.

    Raises:
        Unauthorized: the header is missing or malformed, or the key unknown, revoked or expired.
    """
    scheme, _, text = authorization.partition(" ")
    caller = await keys.caller(text.strip()) if scheme.lower() == "bearer" and text.strip() else None
    if caller is None:
        raise Unauthorized("send a valid key: `Authorization: Bearer dtk_…`")
    return caller


def permit(caller: Caller, action: str) -> None:
    """Let the role's question pass.

    Raises:
        RoleForbids: the caller's role does not do this, to whatever object.
    """
    if not may(caller, action):
        raise RoleForbids(f"a {caller.role} key may not do this ({action})")
