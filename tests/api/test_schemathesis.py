"""What a stranger's fuzzer makes of the OpenAPI document: no server error, nothing that the document does not tell."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.api import Remote, hours
from tests.support.service import served

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
BOUNDS = [
    "--phases=coverage,fuzzing",
    "--max-examples=5",
    "--max-time=15",
    "--seed=1",
    "--request-timeout=10",
]
PLAIN = ["--no-color", "--warnings=off", "--generation-database=none"]
ENDLESS = ["--exclude-path=/v1/shipments/{shipment_id}/stream"]  # an open stream is no answer to wait for


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("database_url", "role"), [("postgresql", "admin"), ("sqlite", "courier")], indirect=["database_url"]
)
async def test_a_fuzzer_finds_no_fault(database_url: str, tmp_path: Path, role: str) -> None:
    async with served(database_url, tmp_path, DOSETRAIL_CLOCK=f"{hours(8)}@1") as service:
        async with httpx.AsyncClient(base_url=service.url) as client:
            remote = Remote(client=client)
            await remote.ship()
            headers = remote.admin if role == "admin" else await remote.headers(role, carrier="ACME")
        key = f"--header=Authorization: {headers['Authorization']}"
        run = [str(SCHEMATHESIS), "run", f"{service.url}/openapi.json", f"--checks={CHECKS}", key]
        done = await asyncio.to_thread(
            subprocess.run,
            [*run, *BOUNDS, *PLAIN, *ENDLESS],
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            cwd=tmp_path,
        )

    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
