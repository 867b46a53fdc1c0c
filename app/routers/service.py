"""Whether the service is alive and ready, its metrics, and its documentation without the internet."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.domain.status import instant_text
from app.errors import DosetrailError
from app.routers.dependencies import HouseDep
from app.store import schema

router = APIRouter(tags=["service"])


@router.get("/healthz")
async def healthz(house: HouseDep) -> dict[str, str]:
    """Say that the process answers, and what its domain clock reads."""
    return {"status": "ok", "now": instant_text(house.clock.now())}


@router.get("/readyz", responses={503: {"description": "Not ready; `problems` says why."}})
async def readyz(house: HouseDep) -> Response:
    """Say whether the database is there and current, and the loops of this process alive."""
    problems = [f"{name} is behind" for name in house.beats.late()]
    try:
        async with house.db.reading() as connection:
            if not await schema.is_current(connection):
                problems.append("the schema is not current: run `dosetrail migrate`")
    except DosetrailError as error:
        problems.append(error.detail)
    body: dict[str, Any] = {"status": "unready" if problems else "ready", "problems": problems}
    return Response(orjson.dumps(body), status_code=503 if problems else 200, media_type="application/json")


@router.get("/metrics", include_in_schema=False)
async def metrics(house: HouseDep) -> Response:
    """Return the counters as Prometheus reads them."""
    return Response(generate_latest(house.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def install_docs(app: FastAPI) -> None:
    """Serve the interactive documentation from files of our own."""
    app.mount("/docs/assets", StaticFiles(directory=_swagger_files()), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs(_: Request) -> Response:
        """Show the interactive documentation."""
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Dosetrail API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )


def _swagger_files() -> Path:
    """Return the folder of the bundled files; importing the package only to ask it would print its advice."""
    spec = find_spec("swagger_ui_bundle")
    folders = spec.submodule_search_locations if spec else None
    return next(path.parent for path in Path((folders or [""])[0]).rglob("swagger-ui-bundle.js"))
