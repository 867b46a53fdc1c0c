"""The OpenAPI document says how errors look and how a key is sent; the framework's own guesses are replaced."""

from typing import Any

import orjson
from fastapi import FastAPI

Document = dict[str, Any]

PROBLEM: Document = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `errors` comes with 422, `existing_id` with some 409.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "existing_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "examples": [
        {
            "type": "/errors#bad_event",
            "title": "Invalid",
            "status": 422,
            "code": "bad_event",
            "detail": "the event does not fit its shipment",
            "request_id": "019cab00-0000-7000-8000-000000000001",
            "errors": [{"pointer": "/leg", "detail": "the plan has no such leg; its legs are 1, 2, 3"}],
        }
    ],
}
_SHOWN: Document = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RETRY_AFTER: Document = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def install(app: FastAPI) -> None:
    """Have the application tell its document with our errors and our keys in it."""
    made = app.openapi

    def openapi() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _ours(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _ours(made: Document) -> Document:
    # Shapes that a route describes itself bring their definitions along, and references that lead nowhere here.
    document: Document = orjson.loads(orjson.dumps(made).replace(b'"#/$defs/', b'"#/components/schemas/'))
    components = document.setdefault("components", {})
    components["schemas"] = _definitions(document["paths"]) | components.get("schemas", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer dtk_…`"}
    }
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"key": []}]
                operation["responses"] = _responses(operation["responses"])
    return document


def _definitions(part: Any) -> Document:
    """Take the definitions out of a part of the document and return them by name."""
    found: Document = {}
    if isinstance(part, dict):
        found |= part.pop("$defs", {})
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        found |= _definitions(inner)
    return found


def _responses(told: Document) -> Document:
    ours = {code: answer for code, answer in told.items() if code != "422"}
    return ours | {
        "4XX": {"description": "It cannot be done as it is; repeating will not help.", "content": _SHOWN},
        "503": {
            "description": "Not now, or unknown; repeating is safe.",
            "content": _SHOWN,
            "headers": _RETRY_AFTER,
        },
    }
