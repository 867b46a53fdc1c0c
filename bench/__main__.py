"""Measure the service beside its floors: `python -m bench [events] [readings] [status]`; without a name, everything."""

import asyncio
import sys

import uvloop

from bench import events, readings, status
from bench.report import Progress, console, show
from bench.servers import stores

BENCHES = {"events": events, "readings": readings, "status": status}


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
                bench = BENCHES[name]
                with Progress(f"{name}, {kind}", total=bench.STEPS) as progress:
                    lines = await bench.measure(await made.make(name), progress)
                show(f"{name}, {kind}", lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
