"""The only table from errors to HTTP: RFC 9457 problem documents, which never echo what was sent."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from app.auth import Unauthorized
from app.errors import Conflict, DosetrailError, FieldError, Forbidden, Invalid, NotFound, Unavailable
from app.formats.strict_json import UnparseableBody
from app.pipeline.rates import RateLimited
from app.telemetry import log


class BodyTooLarge(DosetrailError):
    """The body is over the limit of this route."""

    code = "body_too_large"


class UnsupportedMediaType(DosetrailError):
    """The body's content type is none that this route reads."""

    code = "unsupported_media_type"


STATUS_OF: Mapping[type[DosetrailError], tuple[int, str]] = {
    UnparseableBody: (400, "Unparseable body"),
    Unauthorized: (401, "Unauthorized"),
    Forbidden: (403, "Forbidden"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    BodyTooLarge: (413, "Body too large"),
    UnsupportedMediaType: (415, "Unsupported media type"),
    Invalid: (422, "Invalid"),
    RateLimited: (429, "Too many requests"),
    Unavailable: (503, "Unavailable"),
}
_PLAIN = {
    404: ("not_found", "Not found", "There is nothing at this path."),
    405: ("method_not_allowed", "Method not allowed", "This path does not take this method."),
}


def status_of(error: DosetrailError) -> tuple[int, str]:
    """Return the HTTP status and title of an error."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def body_of(error: DosetrailError, *, request_id: str) -> dict[str, Any]:
    """Return the problem document of an error."""
    status, title = status_of(error)
    body: dict[str, Any] = {
        "type": f"/errors#{error.code}",
        "title": title,
        "status": status,
        "code": error.code,
        "detail": error.detail,
        "request_id": request_id,
    }
    if isinstance(error, Invalid):
        body["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in error.errors]
    if isinstance(error, Conflict) and error.existing_id:
        body["existing_id"] = error.existing_id
    return body


def invalid(error: ValidationError | RequestValidationError, *, drop: int = 0) -> Invalid:
    """Return a validation failure as field errors; `drop` leading parts of each place are not the body's."""
    found = (
        error.errors()
        if isinstance(error, RequestValidationError)
        else error.errors(include_input=False, include_url=False, include_context=False)
    )
    return Invalid(
        "the request is not of this form; each error says where and why",
        errors=tuple(FieldError(_pointer(one["loc"][drop:]), _words(one)) for one in found),
    )


def _words(found: Mapping[str, Any]) -> str:
    """Return what is wrong without the words that only its makers understand."""
    if found["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "Input should be an object"
    return str(found["msg"]).removeprefix("Value error, ")


def install(app: FastAPI) -> None:
    """Answer every failure of the application with a problem document."""
    app.add_exception_handler(DosetrailError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, internal_response)


def request_id_of(request: Request) -> str:
    """Return the id under which this request is logged."""
    return str(request.scope.get("dosetrail_request_id", ""))


def problem_response(request: Request, error: DosetrailError) -> Response:
    """Return the answer to a request that failed in a way we know."""
    headers = {}
    if isinstance(error, Unavailable | RateLimited):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(body_of(error, request_id=request_id_of(request)), headers)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, DosetrailError)  # noqa: S101 - what this handler is registered for
    return problem_response(request, error)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what this handler is registered for
    places = tuple(_request_error(one) for one in error.errors())
    problem = Invalid("the request is not of this form; each error says where and why", errors=places)
    return _answer(body_of(problem, request_id=request_id_of(request)), {})


def _request_error(one: Any) -> FieldError:
    source, *place = one["loc"]
    pointer = _pointer(place) if source == "body" else f"?{'.'.join(str(part) for part in place)}"
    return FieldError(pointer, _words(one))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is registered for
    unforeseen = (f"http_{error.status_code}", "HTTP error", "The request cannot be taken.")
    code, title, detail = _PLAIN.get(error.status_code, unforeseen)
    body = {
        "type": f"/errors#{code}",
        "title": title,
        "status": error.status_code,
        "code": code,
        "detail": detail,
        "request_id": request_id_of(request),
    }
    return _answer(body, dict(error.headers or {}))


def internal_response(request: Request, error: Exception) -> Response:
    """Return the answer to a request that failed in a way nobody knows, and log it."""
    log.error("request failed", exc_info=error, path=request.url.path)
    body = {
        "type": "/errors#internal",
        "title": "Internal error",
        "status": 500,
        "code": "internal",
        "detail": "Something failed here; the request id finds it in the log.",
        "request_id": request_id_of(request),
    }
    return _answer(body, {})


def _pointer(place: Any) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in place]
    # A key the sender made up is not ours to repeat without limit, nor with what no text may hold.
    clean = [part.encode("ascii", "replace").decode()[:80] for part in parts]
    return "".join(f"/{part}" for part in clean)


def _answer(body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(
        orjson.dumps(body), status_code=body["status"], headers=headers, media_type="application/problem+json"
    )
