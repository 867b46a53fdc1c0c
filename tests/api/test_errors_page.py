"""A problem document's `type` leads to a page that says what to do, and docs/errors.md says the same."""

import importlib
import pkgutil
import re
from html import escape
from pathlib import Path

import app
from app.routers.errors_page import catalogue
from tests.support.api import Api

for module in pkgutil.walk_packages(app.__path__, "app."):  # a class that nobody imported is not known of
    if not module.name.startswith("app.store.migrations"):
        importlib.import_module(module.name)

ERRORS_MD = Path(__file__).parents[2] / "docs" / "errors.md"


async def test_the_type_of_a_problem_leads_to_its_entry(api: Api) -> None:
    problem = (await api.get("/v1/shipments/nothing")).json()

    path, _, anchor = problem["type"].partition("#")
    page = await api.get(path)

    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_page_tells_every_error_that_the_code_can_raise(api: Api) -> None:
    page = (await api.get("/errors")).text

    missing = [
        code for _, code, advice in catalogue() if escape(advice) not in page or f'id="{code}"' not in page
    ]

    assert missing == []


def test_the_document_and_the_code_tell_the_same_errors() -> None:
    written = re.findall(r"`(\w+)` \| (\d+) \| (.*) \|", ERRORS_MD.read_text())

    assert sorted((int(status), code, advice) for code, status, advice in written) == sorted(catalogue())
