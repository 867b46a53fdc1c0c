"""The receiver's tools, run as a person runs them."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.pipeline.signing import new_secret, shown

COMMAND = (sys.executable, "-m", "app.cli", "webhooks")


async def start(*arguments: str, secret: str | None = None) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOSETRAIL_")}
    if secret is not None:
        environment["DOSETRAIL_WEBHOOK_SECRET"] = secret
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def trigger(*arguments: str, secret: str | None) -> tuple[int, str]:
    process = await start("trigger", *arguments, secret=secret)
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


@asynccontextmanager
async def listening(*arguments: str, secret: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    process = await start("listen", "--port", "0", *arguments, secret=secret)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"http://\S+/", line)
        assert found is not None, line
        yield found[0], process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_triggered_sample_is_verified_printed_and_answered_as_told() -> None:
    secret = new_secret("v1")
    async with listening("--status", "503", "--status", "204", "--count", "3", secret=secret) as (
        url,
        process,
    ):
        first = await trigger("alert.opened", "--kind", "device_silent", "--url", url, secret=secret)
        second = await trigger("shipment.delivered", "--url", url, secret=secret)
        forged = await trigger("webhook.test", "--url", url, secret=new_secret("v1"))
        async with asyncio.timeout(20):
            told = (await process.communicate())[0].decode()

    assert first == (1, "alert.opened: 503\n")
    assert second == (0, "shipment.delivered: 204\n")
    assert forged[0] == 0
    assert re.findall(r": (verified|NOT VERIFIED), answered (\d+)", told) == [
        ("verified", "503"),
        ("verified", "204"),
        ("NOT VERIFIED", "204"),
    ]
    assert '"kind": "device_silent"' in told


async def test_a_public_key_verifies_as_well() -> None:
    private = new_secret("v1a")
    async with listening("--count", "1", secret=shown(private)[1] or "") as (url, process):
        await trigger("webhook.test", "--url", url, secret=private)
        async with asyncio.timeout(20):
            told = (await process.communicate())[0].decode()

    assert ": verified" in told


async def test_what_cannot_be_triggered_is_told_in_words() -> None:
    unknown = await trigger("alert.exploded", secret=new_secret("v1"))
    nobody = await trigger("webhook.test", "--url", "http://127.0.0.1:9/", secret=new_secret("v1"))
    unsigned = await trigger("webhook.test", secret=None)

    assert [one[0] for one in (unknown, nobody, unsigned)] == [1, 1, 2]
    assert all("Traceback" not in one[1] for one in (unknown, nobody, unsigned))
    assert [len(one[1].splitlines()) for one in (nobody, unsigned)] == [1, 1]
