"""The service's own document, read route by route, so that a new route is tested from its first day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from fastapi.routing import APIRoute

from app.main import ROUTERS, create_app
from app.routers.dependencies import Requires
from app.settings import Settings

Document = dict[str, Any]


def document() -> Document:
    """Return the OpenAPI document as it is served."""
    return create_app(Settings(database_url="sqlite+aiosqlite:///absent.db")).openapi()


@cache
def declared_actions() -> dict[str, set[str]]:
    """Return the actions that each route's code asks its caller for."""
    return {
        f"{method} {route.path}": {
            one.call.action for one in route.dependant.dependencies if isinstance(one.call, Requires)
        }
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


@dataclass(frozen=True)
class Route:
    """One documented operation."""

    method: str
    path: str
    operation: Mapping[str, Any]
    document: Document

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names that stand in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and any(
            one["name"] == "cursor" for one in self.operation.get("parameters", [])
        )

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.operation

    @property
    def body_schema(self) -> Document:
        return self._resolved(self._body["schema"])

    def example(self) -> Any:
        """Return the first example of a body; None when the document has none."""
        for example in self._body.get("examples", {}).values():
            return example["value"]
        if "example" in self._body:
            return self._body["example"]
        return next(iter(self.body_schema.get("examples", [])), None)

    @property
    def _body(self) -> Document:
        return cast(Document, self.operation["requestBody"]["content"]["application/json"])

    def _resolved(self, schema: Document) -> Document:
        if "$ref" not in schema:
            return schema
        return cast(Document, self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])


def routes() -> list[Route]:
    """Return every documented operation."""
    return list(_routes(document()))


def _routes(whole: Document) -> Iterator[Route]:
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            yield Route(method.upper(), path, operation, whole)
