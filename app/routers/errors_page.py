"""The page that every problem document's `type` leads to: each code, its status, and what to do."""

from collections.abc import Iterator
from html import escape

from fastapi import APIRouter, Response

from app.errors import DosetrailError
from app.routers.problems import status_of

router = APIRouter(tags=["service"])

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
BESIDE_THE_CLASSES = (
    (405, "method_not_allowed", "This path does not take this method."),
    (500, "internal", "Something failed here; the request id finds it in the log."),
)


def catalogue() -> list[tuple[int, str, str]]:
    """Return (status, code, advice) of everything that a problem document may say, by status and code."""
    found = {(status_of(kind("")), kind.code, _advice(kind)) for kind in _kinds(DosetrailError)}
    rows = {(status, code, advice) for (status, _), code, advice in found}
    return sorted([*rows, *BESIDE_THE_CLASSES])


@router.get("/errors", include_in_schema=False)
async def errors_page() -> Response:
    """Show the catalogue to a person."""
    rows = "".join(
        f'<tr id="{escape(code)}"><td><code>{escape(code)}</code><td>{status}<td>{escape(advice)}'
        for status, code, advice in catalogue()
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Dosetrail: errors</title>"
        "<style>body{font:16px/1.5 sans-serif;margin:2rem}td{padding:.2rem 1rem .2rem 0;vertical-align:top}"
        "tr:target{background:#ffd}</style><h1>Errors</h1>"
        f"<table><tr><th>code<th>status<th>what it means{rows}</table>"
    )
    return Response(page, media_type="text/html; charset=utf-8", headers=_HEADERS)


def _kinds(kind: type[DosetrailError]) -> Iterator[type[DosetrailError]]:
    """Yield every error below `kind` that belongs to a status, one code once: the class nearest to the root."""
    for below in kind.__subclasses__():
        yield below
        yield from (one for one in _kinds(below) if one.code != below.code)


def _advice(kind: type[DosetrailError]) -> str:
    return " ".join((kind.__doc__ or "").split())
