"""`dosetrail webhooks …`: a receiver that shows what comes, and a sender of samples, for those who build their own."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import httpx
import orjson
import typer
from aiohttp import web
from rich.console import Console

from app.clock import wall_now
from app.commands.running import fail, run
from app.models.base import new_id
from app.pipeline.samples import TYPES, sample
from app.pipeline.signing import new_secret, signature, verifies

app = typer.Typer(help="Tools for those who receive webhooks.", no_args_is_help=True)
out = Console()

Secret = Annotated[
    str | None,
    typer.Option(
        envvar="DOSETRAIL_WEBHOOK_SECRET", help="The endpoint's whsec_… secret, or its whpk_… public key."
    ),
]


@app.command()
def listen(
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1 to listen on.", min=0, max=65535)] = 9000,
    secret: Secret = None,
    status: Annotated[
        list[int] | None,
        typer.Option(help="Answer with these statuses in turn; the last one stays.", min=200, max=599),
    ] = None,
    count: Annotated[int | None, typer.Option(help="End after so many deliveries.", min=1)] = None,
) -> None:
    """Receive webhooks, verify and print each, and answer as told."""
    valid = secret or new_secret("v1")
    if secret is None:
        typer.echo(
            f"No secret was given; this one is made for the occasion:\nexport DOSETRAIL_WEBHOOK_SECRET={valid}"
        )
    run(_listen(Listener(valid, status or [204], count), port))


@app.command()
def trigger(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help=f"One of {', '.join(TYPES)}.")],
    kind: Annotated[str | None, typer.Option(help="The alert's kind.")] = None,
    url: Annotated[str, typer.Option(help="Where to send it.")] = "http://127.0.0.1:9000/",
    secret: Secret = None,
) -> None:
    """Send a sample message, signed as a delivery is."""
    if secret is None:
        fail("give --secret or DOSETRAIL_WEBHOOK_SECRET", code=2)
    answered = run(_trigger(type_, kind, url, secret))
    typer.echo(f"{type_}: {answered}")
    raise typer.Exit(0 if 200 <= answered < 300 else 1)


class Listener:
    """Takes deliveries, says what it makes of each, and answers with the statuses it was given."""

    def __init__(self, secret: str, statuses: Sequence[int], count: int | None) -> None:
        self._secret, self._statuses, self._count = secret, statuses, count
        self._seen: dict[str, int] = {}
        self._taken = 0
        self.done = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Print a delivery and answer it."""
        body = await request.read()
        id_ = request.headers.get("webhook-id", "(no webhook-id)")
        self._seen[id_] = self._seen.get(id_, 0) + 1
        genuine = verifies(self._secret, request.headers, body, at=wall_now())
        status = self._statuses[min(self._taken, len(self._statuses) - 1)]
        self._taken += 1
        words = "verified" if genuine else "NOT VERIFIED"
        again = f", attempt {self._seen[id_]} here" if self._seen[id_] > 1 else ""
        out.print(f"{id_}: {words}{again}, answered {status}", markup=False, highlight=False)
        out.print(_pretty(body), markup=False, highlight=False, soft_wrap=True)
        if self._taken == self._count:
            self.done.set()
        return web.Response(status=status)

    async def agree(self, _: web.Request) -> web.Response:
        """Let a sender that asks first send."""
        return web.Response(headers={"webhook-allowed-origin": "*"})


async def _listen(listener: Listener, port: int) -> None:
    application = web.Application(client_max_size=8 * 1024 * 1024)
    application.router.add_post("/{path:.*}", listener.take)
    application.router.add_options("/{path:.*}", listener.agree)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound = runner.addresses[0][:2]
        out.print(f"Listening on http://{host}:{bound}/; stop it with Ctrl-C.", markup=False, highlight=False)
        await listener.done.wait()
    except OSError as error:
        fail(f"cannot listen on 127.0.0.1:{port}: {error.strerror}")
    finally:
        await runner.cleanup()


async def _trigger(type_: str, kind: str | None, url: str, secret: str) -> int:
    body, id_, timestamp = sample(type_, kind=kind), new_id(), int(wall_now().timestamp())
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature([secret], message_id=id_, timestamp=timestamp, body=body),
        "content-type": "application/json",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.post(url, content=body, headers=headers)).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fail(f"cannot send to {url}: {error}")


def _pretty(body: bytes) -> str:
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
