"""Curves as SVG: what is marked on the axes, and a legend that covers nothing."""

from xml.etree import ElementTree

from app.formats.backtest_report import coverage_curve
from app.formats.svg import Axis, Series, line_chart

TEXT = "{http://www.w3.org/2000/svg}text"
LINE = "{http://www.w3.org/2000/svg}polyline"


def test_weeks_are_marked_by_whole_numbers() -> None:
    """Nine weeks in at most five steps: every second one."""
    drawn = ElementTree.fromstring(coverage_curve([("2 to 6 h", [0.8] * 9)]))  # noqa: S314 - our own

    marks = [one.text for one in drawn.iter(TEXT) if one.get("text-anchor") == "middle"]
    assert marks == ["1", "3", "5", "7", "9", "week"]


def test_the_legend_stands_below_all_that_is_drawn_and_tells_eight_lines_apart() -> None:
    axis = Axis(label="said", low=0.0, high=1.0, percent=True)
    names = [f"line {number}" for number in range(8)]
    series = [Series(name, [(0.0, 0.0), (1.0, 1.0)]) for name in names]

    chart = line_chart("Both", axis, axis, [Series("perfect", [(0.0, 0.0)], dashed=True), *series])

    drawn = ElementTree.fromstring(chart)  # noqa: S314 - our own
    lowest = max(
        float(place.split(",")[1]) for one in drawn.iter(LINE) for place in one.get("points", "").split()
    )
    legend = [float(one.get("y", "0")) for one in drawn.iter(TEXT) if one.text in {"perfect", *names}]
    assert len(legend) == 9
    assert min(legend) > lowest
    assert len({one.get("stroke") for one in drawn.iter(LINE)}) == 9
