"""Samples are what the service itself would write, and the documentation shows them as they are."""

import re
from pathlib import Path

import orjson
import pytest

from app.models.alert import AlertRead
from app.pipeline import samples

DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"
BEGIN, END = (
    "<!-- samples: written by `python -m tests.pipeline.test_samples` -->\n",
    "<!-- end of samples -->",
)


def rendered() -> str:
    parts = []
    for type_ in samples.TYPES:
        body = orjson.dumps(orjson.loads(samples.sample(type_)), option=orjson.OPT_INDENT_2).decode()
        parts.append(f"### {type_}\n\n```json\n{body}\n```\n")
    return "\n".join(parts)


def test_the_documentation_shows_every_sample_as_it_is() -> None:
    text = DOCUMENT.read_text()

    assert text.split(BEGIN)[1].split(END)[0].strip() == rendered().strip()


@pytest.mark.parametrize("type_", samples.TYPES)
def test_a_sample_has_type_timestamp_and_data(type_: str) -> None:
    told = orjson.loads(samples.sample(type_))

    assert list(told) == ["type", "timestamp", "data"]
    assert told["type"] == type_


def test_a_sample_alert_is_an_alert_of_the_kind_that_is_asked_for() -> None:
    data = orjson.loads(samples.sample("alert.escalated", kind="device_silent"))["data"]

    assert set(data) == set(AlertRead.model_fields) | {"shipment"}
    assert (data["kind"], data["severity"]) == ("device_silent", "critical")


def test_there_is_no_sample_of_what_is_never_sent() -> None:
    with pytest.raises(samples.UnknownType):
        samples.sample("alert.exploded")


def test_every_type_that_the_code_sends_has_a_sample() -> None:
    sources = [
        *(DOCUMENT.parents[1] / "app" / "pipeline").glob("*.py"),
        *(DOCUMENT.parents[1] / "app" / "domain").glob("*.py"),
    ]
    named = re.compile(r'"((?:shipment|dose|endpoint|delivery|webhook)\.[a-z_]+|alert\.digest|heartbeat)"')

    sent = {name for path in sources for name in named.findall(path.read_text())}

    assert sent - {"webhook.read"} <= set(samples.TYPES)


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{rendered()}\n{END}{rest.partition(END)[2]}")
