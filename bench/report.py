"""What a benchmark says: each thing measured beside the floor of the same run, as a table."""

import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from bench.load import Load
from bench.servers import Served

console = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(slots=True)
class Line:
    """One thing measured over several rounds."""

    name: str
    served: Served
    load: Load = field(default_factory=Load)
    cpu_s: float = 0.0

    async def take(self, round_: Coroutine[Any, Any, Load]) -> None:
        """Run one more round, and count the CPU time that it took."""
        before_s = self.served.cpu_s()
        load = await round_
        self.cpu_s += self.served.cpu_s() - before_s
        self.load.add(load)

    @property
    def cpu_us(self) -> float:
        """Return the microseconds of CPU that one answer cost the server and its database."""
        return self.cpu_s / self.load.sent * 1e6


class Progress:
    """A bar on the terminal; nothing where there is none."""

    def __init__(self, title: str, total: int) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(title, total=total)

    def step(self, count: int) -> None:
        """Go on."""
        self._bar.advance(self._task, count)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def beside(lines: Sequence[Line]) -> Table:
    """Return the lines as a table; the first is the floor, and every other is told beside each line before it."""
    rows = [
        (
            line.name,
            f"{line.load.per_s:,.0f}",
            f"{line.cpu_us:,.0f}",
            f"{line.load.quantile_ms(0.5):.1f}",
            f"{line.load.quantile_ms(0.99):.1f}",
            ", ".join(f"{status} × {count:,}" for status, count in sorted(line.load.statuses.items())),
            ", ".join(_beside(line, other) for other in lines[:index]),
        )
        for index, line in enumerate(lines)
    ]
    return table(("", "per second", "CPU µs each", "p50 ms", "p99 ms", "answers", "beside"), rows)


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table, its numbers to the right."""
    made = Table(title_justify="left")
    for name in names:
        made.add_column(name, justify="left" if name in {"", "answers", "beside"} else "right")
    for row in rows:
        made.add_row(*row)
    return made


def _beside(line: Line, other: Line) -> str:
    ratio = line.load.per_s / other.load.per_s
    return f"{ratio:.2f} of {other.name}" if ratio < 1 else f"{ratio:.1f} × {other.name}"
