"""Line charts as SVG text: a title, two axes, a legend, nothing that moves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT = 640, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 48, 144
_LEGEND_TOP, _LEGEND_COLUMNS = HEIGHT - 88, 2
_COLOURS: Final = ("#0b6e99", "#c2410c", "#3f7d20", "#7c3aed", "#ca8a04", "#0f766e", "#9f1239", "#475569")
_COMPARED_COLOUR: Final = "#111827"
_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Series:
    """One line; `dashed` for what it is compared with, `dots` to mark each point."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows; `percent` writes 0.8 as 80 %, `whole` marks whole numbers only."""

    label: str
    low: float
    high: float
    percent: bool = False
    whole: bool = False

    def ticks(self) -> list[float]:
        """Return the values to mark."""
        span = self.high - self.low
        step = max(math.ceil(span / _TICKS), 1) if self.whole else span / _TICKS
        return [self.low + step * index for index in range(_TICKS + 1) if step * index <= span]

    def text(self, value: float) -> str:
        """Return a tick's label."""
        return f"{value:.0%}" if self.percent else f"{value:g}"


def line_chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Return a chart; points outside of the axes are drawn at their edge."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *_axes(x, y),
    ]
    colours = iter(_COLOURS * (len(series) // len(_COLOURS) + 1))
    for index, one in enumerate(series):
        parts += _drawn(one, x, y, _COMPARED_COLOUR if one.dashed else next(colours), index)
    return "\n".join([*parts, "</svg>", ""])


def stacked(title: str, charts: Sequence[str]) -> str:
    """Return charts of `line_chart` one below the other."""
    height = HEIGHT * len(charts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
    ]
    for index, chart in enumerate(charts):
        parts.append(f'<g transform="translate(0 {HEIGHT * index})">')
        parts += [chart.replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value in x.ticks():
        at = _place_x(value, x)
        parts.append(f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}" stroke="#e5e7eb"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(x.text(value))}</text>'
        )
    for value in y.ticks():
        at = _place_y(value, y)
        parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}" stroke="#e5e7eb"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(y.text(value))}</text>'
        )
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle:.1f}" y="{bottom + 36}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 8}">{escape(y.label)}</text>')
    return parts


def _drawn(one: Series, x: Axis, y: Axis, colour: str, index: int) -> list[str]:
    places = [(_place_x(a, x), _place_y(b, y)) for a, b in one.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dash = ' stroke-dasharray="5 4"' if one.dashed else ""
    row, column = divmod(index, _LEGEND_COLUMNS)
    left = _LEFT + column * (WIDTH - _LEFT - _RIGHT) // _LEGEND_COLUMNS
    base = _LEGEND_TOP + 14 + 16 * row
    parts = [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>',
        f'<line x1="{left}" y1="{base - 4}" x2="{left + 24}" y2="{base - 4}" stroke="{colour}" '
        f'stroke-width="2"{dash}/>',
        f'<text x="{left + 30}" y="{base}">{escape(one.name)}</text>',
    ]
    if one.dots:
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return parts


def _place_x(value: float, axis: Axis) -> float:
    return _LEFT + _part(value, axis) * (WIDTH - _LEFT - _RIGHT)


def _place_y(value: float, axis: Axis) -> float:
    return HEIGHT - _BOTTOM - _part(value, axis) * (HEIGHT - _TOP - _BOTTOM)


def _part(value: float, axis: Axis) -> float:
    span = axis.high - axis.low
    return min(max((value - axis.low) / span, 0.0), 1.0) if span > 0 else 0.5
