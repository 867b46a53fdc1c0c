"""`dosetrail backtest`, from the file to the tables and curves."""

import csv
import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.domain.lane_learning.made import a_history

COLUMNS = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip


def written(path: Path, *, days: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for leg in a_history(days=days):
            values = [getattr(leg, name) for name in COLUMNS]
            writer.writerow([one.isoformat() if hasattr(one, "isoformat") else one for one in values])
        writer.writerow(["air", "XA", "X1", "HUB", "AAA", "2026-01-01T10:00:00", "", "x", "", "cancelled"])
    return path


def test_a_history_is_replayed_into_tables_and_curves(tmp_path: Path) -> None:
    history = written(tmp_path / "legs.csv", days=36)

    told = CliRunner().invoke(
        app, ["backtest", str(history), "--count-from", "2026-01-26", "--out", str(tmp_path / "out")]
    )

    assert told.exit_code == 0, told.output
    for head in (
        "2 h before departure",
        "silence 30 min",
        "planned arrival +15",
        "counts silence",
        "composed",
    ):
        assert head in told.output
    assert "1 rows refused: planned_departure_at has no offset" in told.output
    for name in ("coverage.svg", "reliability.svg"):
        assert ElementTree.parse(tmp_path / "out" / name).getroot().tag.endswith("svg")  # noqa: S314 - our own
    assert (tmp_path / "out" / "backtest.md").read_text() in told.output


def test_a_file_that_is_no_history_is_refused_in_one_line(tmp_path: Path) -> None:
    history = tmp_path / "legs.csv"
    history.write_text("a,b\n1,2\n")

    told = CliRunner().invoke(app, ["backtest", str(history)])

    assert told.exit_code == 1
    assert "the header lacks" in told.output


SOUND = gzip.compress(",".join(COLUMNS).encode() + b"\n")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("legs.csv", SOUND, "the file is not UTF-8 text; a compressed one is named"),
        ("legs.csv.gz", b"mode,carrier\n", "is no sound gzip"),
        ("legs.csv.gz", SOUND[:-4], "the compressed file breaks off"),
        ("legs.csv.gz", SOUND[:12] + b"\xff" * 20, "is no sound gzip"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    history = tmp_path / name
    history.write_bytes(content)

    told = CliRunner().invoke(app, ["backtest", str(history)])

    assert told.exit_code == 1
    assert said in told.output


def test_a_folder_that_cannot_be_made_is_told_before_the_work_is_done(tmp_path: Path) -> None:
    history = written(tmp_path / "legs.csv", days=2)

    told = CliRunner().invoke(app, ["backtest", str(history), "--out", str(history / "out")])

    assert told.exit_code == 1
    assert "cannot make" in told.output
    assert "Arrival against a tracker" not in told.output


@pytest.mark.parametrize("outcome", ["arrived", "cancelled"])
def test_what_two_legs_cannot_tell_is_left_open(tmp_path: Path, outcome: str) -> None:
    """All in time or all lost, and no journey can be made up: no lead and no width is a dash, not 0 or nan."""
    history = tmp_path / "legs.csv"
    departed, arrived = ("2026-01-01T10:00:00Z", "2026-01-01T12:00:00Z") if outcome == "arrived" else ("", "")
    times = ("2026-01-01T10:00:00Z", departed, "2026-01-01T12:00:00Z", arrived)
    lines = [",".join(("air", "XA", name, "HUB", "AAA", *times, outcome)) for name in ("X1", "X2")]
    history.write_text("\n".join((",".join(COLUMNS), *lines)))

    told = CliRunner().invoke(app, ["backtest", str(history)])

    assert told.exit_code == 0, told.output
    assert outcome == "cancelled" or "| 45 min | 1% | – | – | – | – | – | – |" in told.output
    assert "| 0 | – | – | – | – |" in told.output
