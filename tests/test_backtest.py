"""`dosetrail backtest`, from the file to the tables and curves."""

import csv
from pathlib import Path
from xml.etree import ElementTree

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
