"""What the documents say is so: settings, metrics, routes, guarantees, links, and the README's own commands."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.main import ROUTERS
from app.settings import Settings
from app.telemetry import Metrics
from tests.support.openapi import Route, document, routes
from tests.support.service import served

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROUTES = routes()
DOCUMENT = document()


def settings(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Return every setting by the name it has in the environment."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= settings(inner, f"{prefix}{name.upper()}__")
        else:
            found[prefix + name.upper()] = field
    return found


def test_operations_tells_each_setting_and_no_other() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \|", OPERATIONS, re.MULTILINE)

    assert sorted(told) == sorted(settings(Settings))


def test_each_setting_says_what_it_is_for() -> None:
    assert [name for name, field in settings(Settings).items() if not field.description] == []


def test_operations_tells_each_metric_and_no_other() -> None:
    told = re.findall(r"^\| `(dosetrail_\w+)` \|", OPERATIONS, re.MULTILINE)

    assert sorted(told) == sorted(metric.name for metric in Metrics().registry.collect())


def test_each_route_is_in_the_openapi_document_or_told_of_in_operations() -> None:
    served = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    documented = {(route.method, route.path) for route in ROUTES}

    assert [path for method, path in served - documented if f"`{path}`" not in OPERATIONS] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_documented_route_says_what_it_does(route: Route) -> None:
    assert route.operation.get("description"), "a route's docstring is its public text"
    assert set(route.parameters) <= {one["name"] for one in route.operation.get("parameters", [])}
    assert any(code.startswith("2") for code in route.operation["responses"])


def test_each_operation_has_a_name_of_its_own() -> None:
    names = [route.operation["operationId"] for route in ROUTES]

    assert len(names) == len(set(names))


def schemas(part: Any) -> list[dict[str, Any]]:
    """Return every JSON Schema of a part of the document."""
    if isinstance(part, list):
        return [one for each in part for one in schemas(each)]
    if not isinstance(part, dict):
        return []
    own = [part["schema"]] if isinstance(part.get("schema"), dict) else []
    return own + [one for name, each in part.items() if name != "schema" for one in schemas(each)]


def test_the_openapi_document_is_of_version_3_1_and_every_schema_in_it_is_one() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    for schema in (*DOCUMENT["components"]["schemas"].values(), *schemas(DOCUMENT["paths"])):
        jsonschema_rs.meta.validate(schema)


def test_every_reference_in_the_openapi_document_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT)))
    there = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert references
    assert references - there == set()


@pytest.mark.parametrize("route", [one for one in ROUTES if one.takes_body], ids=lambda route: route.name)
def test_each_example_of_a_body_is_what_its_schema_asks_for(route: Route) -> None:
    schema = route.body_schema | {"components": DOCUMENT["components"]}

    jsonschema_rs.validate(schema, route.example())


def test_each_guarantee_names_tests_that_exist() -> None:
    table = README.split("## What is guaranteed")[1].split("\n## ")[0]
    named = re.findall(r"`(tests/[\w/]+\.py|…)(?:::(\w+))?`", table)
    path, missing = "", []
    for written, name in named:
        path = path if written == "…" else written
        text = (ROOT / path).read_text() if (ROOT / path).exists() else ""
        if not text or (name and f"def {name}(" not in text):
            missing.append(f"{path}::{name}")

    assert len(named) >= 9
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def blocks(heading: str) -> list[str]:
    """Return the README's command blocks under a heading."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


async def ran(script: str, folder: Path, exported: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands of the README in a folder, against a service that is started for them."""
    async with served(f"sqlite+aiosqlite:///{folder / 'readme.db'}", folder, **exported) as service:
        return await asyncio.to_thread(
            subprocess.run,
            ["/bin/bash", "-euo", "pipefail", "-c", script.replace(":8000", f":{service.port}")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=folder,
            env=service.environment,
        )


async def test_the_readmes_commands_work_as_they_stand(tmp_path: Path) -> None:
    start, use = blocks("A scan and its answer")
    exported = dict(re.findall(r"(DOSETRAIL_\w+)=(\S+)", start))
    assert re.search(r"^\.venv/bin/dosetrail serve --port 8000 &$", start, re.MULTILINE)

    done = await ran(use, tmp_path, exported)

    receipt, status = (
        json.loads(one) for one in re.findall(r"\{.*?\}(?=\{\"|$)", done.stdout.strip(), re.DOTALL)
    )
    shown = json.loads(README.split("```json\n")[1].split("```")[0])
    assert done.returncode == 0, done.stderr
    assert set(receipt) == set(shown)
    assert receipt | {"id": "", "shipment_id": "", "received_at": ""} == shown | {
        "id": "",
        "shipment_id": "",
        "received_at": "",
    }
    assert (status["state"], status["doses"][0]["verdict"]) == ("in_transit", "ok")


async def test_the_readmes_commands_for_lanes_work_as_they_stand(tmp_path: Path) -> None:
    start, use = blocks("A scan and its answer")
    (lanes,) = blocks("Arrivals from your own lanes")
    exported = dict(re.findall(r"(DOSETRAIL_\w+)=(\S+)", start))
    columns = re.search(r"columns `([\w, \n]+)`", README)
    assert columns is not None
    (tmp_path / "legs.csv").write_text(
        columns[1].replace("\n", " ").replace(", ", ",")
        + "\nair,AZ,AZ1321,MXP,BLQ,2026-02-27T08:40:00Z,2026-02-27T08:52:00Z,2026-02-27T09:40:00Z,"
        "2026-02-27T09:49:00Z,arrived\n"
    )
    defined = "\n".join(line for line in use.splitlines() if re.match(r"API=|post\(\)", line))
    told, backtest = lanes.split(".venv/bin/")

    done = await ran(f"{defined}\n{told}", tmp_path, exported)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith('{"accepted":1,"duplicates":0,"rejected":[]}{"mode":"air"')
    assert backtest == "dosetrail backtest legs.csv --out report\n"


@pytest.mark.parametrize(
    "route", [one for one in ROUTES if one.path.startswith("/v1/")], ids=lambda one: one.name
)
def test_each_route_of_the_api_tells_how_its_key_is_sent_and_how_it_fails(route: Route) -> None:
    answers = route.operation["responses"]

    assert route.operation["security"] == [{"key": []}]
    assert all("application/problem+json" in answers[code]["content"] for code in ("4XX", "503"))
    assert "422" not in answers
