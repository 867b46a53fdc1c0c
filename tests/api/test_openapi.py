"""The OpenAPI document holds together: whoever follows its references arrives."""

from collections.abc import Iterator
from typing import Any

from tests.support.api import Api


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def found(document: Any, reference: str) -> bool:
    here = document
    for name in reference.removeprefix("#/").split("/"):
        here = here.get(name) if isinstance(here, dict) else None
    return here is not None


async def test_every_reference_leads_somewhere(api: Api) -> None:
    document = (await api.get("/openapi.json")).json()

    every = set(references(document))

    assert every
    assert [one for one in every if not found(document, one)] == []
