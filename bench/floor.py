"""The floor: an application that reads the request and answers, under the same uvicorn. Nothing can be faster."""

from typing import Any

ANSWER = (
    b'{"id":"019d0000-0000-7000-8000-000000000000","event_id":"scan-000000000","shipment_id":"019d0000-0000-7000-'
    b'8000-000000000000","duplicate":false,"received_at":"2026-03-02T08:05:10.120Z","late":false,"placed":true}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer whatever is asked with the size of an event's receipt."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
