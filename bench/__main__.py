"""Measure the service beside its floors: `python -m bench [NAME …]`; without a name, everything."""

import asyncio
import sys
from typing import Any

import uvloop

from bench import assess, due, events, readings, status
from bench.report import Progress, console
from bench.servers import stores

BENCHES = {"events": events, "readings": readings, "status": status, "assess": assess, "due": due}


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, on both databases."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        console.print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}")
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(names or list(BENCHES)))
    return 0


async def _run(names: list[str]) -> None:
    with stores() as kinds:
        for name in names:
            for kind, made in kinds:
                bench: Any = BENCHES[name]
                with Progress(f"{name}, {kind}", total=bench.STEPS) as progress:
                    table = await bench.measure(await made.make(name), progress)
                table.title = f"{name}, {kind}"
                console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
