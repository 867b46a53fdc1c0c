"""The five categories of failure; every named error in the house is one of them.

```
DosetrailError
├── Invalid      the request can never succeed as it is       (422)
├── NotFound     absent, or not yours: never distinguished    (404)
├── Conflict     contradicts what is stored                   (409)
├── Forbidden    the caller may not do this at all            (403)
└── Unavailable  cannot be done now; repeating is safe        (503)
```
The HTTP statuses stand in `routers/problems.py` alone.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON Pointer into the body (or `?name` for a query parameter) and what is wrong with it."""

    pointer: str
    detail: str


class DosetrailError(Exception):
    """The base of every error raised on purpose; `code` is stable and public."""

    code = "error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Invalid(DosetrailError):
    """The request can never succeed as it is."""

    code = "invalid"

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class NotFound(DosetrailError):
    """There is no such object, or the caller may not see it."""

    code = "not_found"


class Conflict(DosetrailError):
    """The request contradicts what is stored."""

    code = "conflict"

    def __init__(self, detail: str, *, existing_id: str | None = None) -> None:
        super().__init__(detail)
        self.existing_id = existing_id


class Forbidden(DosetrailError):
    """The caller's role does not allow this."""

    code = "forbidden"


class Unavailable(DosetrailError):
    """The work cannot be done now; the same request may be repeated."""

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
