"""Lists: newest first, keyset cursors that belong to one key and one set of filters."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response

from app.domain.access import Caller
from app.errors import FieldError, Invalid
from app.routers.dependencies import parse_id

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=300, description="`next_cursor` of the page before.")]


class BadCursor(Invalid):
    """The cursor is none of ours, or was made for other filters or another key."""

    code = "bad_cursor"


@dataclass(frozen=True, slots=True)
class Page:
    """Where a list goes on, and for whom its cursors count; `after` is the list's own sort key, None at its start."""

    limit: int
    after: str | None
    binding: str

    @property
    def before_id(self) -> str | None:
        """The id after which a list sorted by id goes on."""
        return parse_id(self.after) if self.after is not None else None

    @property
    def wanted(self) -> int:
        """How many rows to ask for: one more tells whether there is a next page."""
        return self.limit + 1


def page_of(request: Request, caller: Caller, *, limit: int, cursor: str | None) -> Page:
    """Return the page that a request asks for.

    Raises:
        BadCursor: the cursor does not belong to this request.
    """
    filters = sorted(
        (name, value) for name, value in request.query_params.multi_items() if name not in {"cursor", "limit"}
    )
    seed = orjson.dumps([caller.key_id, request.url.path, filters])
    binding = hashlib.sha256(seed).hexdigest()[:16]
    return Page(limit, _after(cursor, binding) if cursor else None, binding)


def page_answer(
    request: Request,
    page: Page,
    items: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str] | None = None,
) -> Response:
    """Return the contract's list; `items` are the rows asked for, JSON-ready, `keys` their sort keys (their ids)."""
    shown = items[: page.limit]
    following = None
    if len(items) > page.limit:
        last = keys[page.limit - 1] if keys is not None else str(shown[-1]["id"])
        following = _cursor(last, page.binding)
    headers = {}
    if following:
        url = request.url.include_query_params(cursor=following)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    body = orjson.dumps({"data": list(shown), "next_cursor": following})
    return Response(body, headers=headers, media_type="application/json")


def _cursor(last: str, binding: str) -> str:
    return base64.urlsafe_b64encode(f"{binding}.{last}".encode()).decode().rstrip("=")


def _after(cursor: str, binding: str) -> str:
    errors = (FieldError("?cursor", "use the next_cursor of the same list, with the same filters and key"),)
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise BadCursor("the cursor does not belong to this list", errors=errors) from error
    made_for, _, last = text.partition(".")
    if made_for != binding:
        raise BadCursor("the cursor does not belong to this list", errors=errors)
    return last
