"""Statistics as bytes: a whole set once a day, and between two of them only the memory of the last days.

A whole set is an archive of arrays with a JSON text beside them; a short one is a JSON text that names lanes and
destinations, so that it fits the whole set that it is laid over.
"""

import io
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import numpy as np

from app.domain.lane_learning import conformal
from app.domain.lane_learning.departures import WHENS
from app.domain.lane_learning.dwell import DwellStatistics, Stay, gather
from app.domain.lane_learning.history import Coder, LaneLeg
from app.domain.lane_learning.model import LaneModel
from app.domain.lane_learning.priors import new_model
from app.domain.lane_learning.published import ModeStatistics, Published
from app.domain.lane_learning.replay import teach
from app.domain.lane_learning.tables import Histograms, Means
from app.domain.lanes import Array, Reporting
from app.domain.shipment import Mode
from app.domain.timetable import Lane, Service, timetable_of

LEARNED_MODES: Final[tuple[Mode, ...]] = ("air", "road", "rail")
"""Ships take days: minutes are no scale for them, and their defaults stay."""

STALE_DAYS: Final = 60.0
"""A history that has stopped fades no further than this: an old one is better than none. Source: our convention."""

_FAST: Final = ("all", "destination", "lane")


@dataclass(frozen=True, slots=True)
class Taught:
    """What one mode's history teaches."""

    coder: Coder
    model: LaneModel
    awaited: bool
    seen: Mapping[str, Array]
    legs: int


def learn(legs: Iterable[LaneLeg], *, until: float, awaited: Collection[Mode] = ()) -> dict[Mode, Taught]:
    """Return what a history teaches, mode by mode; legs in the order of their plan.

    Of the `awaited` modes legs are known to be planned before they leave, and what has not left will count.
    """
    by_mode: dict[Mode, list[LaneLeg]] = {}
    for leg in legs:
        by_mode.setdefault(leg.mode, []).append(leg)
    return {
        mode: _taught(mode, by_mode[mode], until, awaited=mode in awaited)
        for mode in LEARNED_MODES
        if mode in by_mode
    }


def whole(
    taught: Mapping[Mode, Taught],
    stays: Iterable[Stay],
    reporting: Mapping[str, Reporting],
    services: Iterable[tuple[Lane, Service]] = (),
) -> bytes:
    """Return a whole set of statistics as bytes."""
    arrays: dict[str, Array] = {}
    told: dict[str, Any] = {"modes": {}, "stays": [], "reporting": {}}
    for mode, one in taught.items():
        arrays |= {f"{mode}/{name}": array for name, array in _arrays(one).items()}
        codes = {name: [list(key) for key in known] for name, known in one.coder.known.items()}
        told["modes"][mode] = {"legs": one.legs, "codes": codes, "awaited": one.awaited}
    told["stays"] = [asdict(stay) for stay in stays]
    told["services"] = [[*lane, asdict(service)] for lane, service in services]
    told["reporting"] = {carrier: asdict(one) for carrier, one in reporting.items()}
    arrays["told"] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def short(taught: Mapping[Mode, Taught]) -> bytes:
    """Return the memory of the last days alone as bytes."""
    told: dict[str, Any] = {}
    for mode, one in taught.items():
        tables = one.model.blocks.tables()
        told[mode] = {name: _by_name(one, name, cast(Means, tables[f"fast.{name}"])) for name in _FAST}
    return zlib.compress(json.dumps(told).encode())


def restored(
    number: int, body: bytes, overlay: bytes | None = None, correction: bytes | None = None
) -> Published:
    """Return the statistics of a whole set, with a short one laid over it and the correction published with it."""
    with np.load(io.BytesIO(body), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    told = json.loads(arrays.pop("told").tobytes().decode())
    over = json.loads(zlib.decompress(overlay)) if overlay is not None else {}
    modes = {mode: _mode_statistics(mode, arrays, one, over.get(mode)) for mode, one in told["modes"].items()}
    dwell: DwellStatistics = gather(Stay(**stay) for stay in told["stays"])
    reporting = {carrier: Reporting(**one) for carrier, one in told["reporting"].items()}
    timetable = timetable_of(
        ((mode, origin, destination), Service(**one | {"days": tuple(one["days"])}))
        for mode, origin, destination, one in told["services"]
    )
    return Published(number, modes, dwell, reporting, timetable, conformal.restored(correction))


def _taught(mode: Mode, legs: list[LaneLeg], until: float, *, awaited: bool) -> Taught:
    coder, model = Coder(), new_model(mode)
    columns = coder.columns(legs)
    last = float(np.nanmax(columns.finished))
    teach(columns, model, until=min(until, last + STALE_DAYS * 1440.0), awaited=awaited)
    seen = {name: np.bincount(columns.codes[name]).astype(np.float64) for name in ("lane", "carrier")}
    return Taught(coder, model, awaited, seen, len(legs))


def _arrays(one: Taught) -> dict[str, Array]:
    arrays: dict[str, Array] = {"scale_edges": one.model.blocks.edges}
    arrays |= {f"seen.{name}": counts for name, counts in one.seen.items()}
    arrays |= {f"{when}.edges": one.model.departures.edges[when] for when in WHENS}
    for room, tables in _rooms(one.model):
        for name, table in tables.items():
            if isinstance(table, Means):
                arrays[f"{room}.{name}"] = np.stack([table.sums, table.weights])
            else:
                arrays[f"{room}.{name}"] = table.counts.astype(np.float32)
    return arrays


def _mode_statistics(
    mode: Mode, arrays: Mapping[str, Array], told: dict[str, Any], over: dict[str, Any] | None
) -> ModeStatistics:
    coder, model = Coder(), new_model(mode)
    for name, keys in told["codes"].items():
        coder.known[name] = {tuple(key): code for code, key in enumerate(keys)}
    for room, tables in _rooms(model):
        for name, table in tables.items():
            _restore(table, _stored(arrays, f"{mode}/{room}.{name}"))
    model.blocks.edges = arrays[f"{mode}/scale_edges"]
    model.departures.edges = {when: _stored(arrays, f"{mode}/{when}.edges") for when in WHENS}
    if over is not None:
        _lay_over(model, coder, over)
    seen = {name: arrays[f"{mode}/seen.{name}"] for name in ("lane", "carrier")}
    return ModeStatistics(model, coder, seen=seen, legs=told["legs"], awaited=told.get("awaited", False))


def _stored(arrays: Mapping[str, Array], name: str) -> Array:
    """Return an array; sets made before the day's departures counted have one table for all that is asked."""
    return arrays[name] if name in arrays else arrays[name.replace("alone.", "due.")]


def _rooms(model: LaneModel) -> tuple[tuple[str, dict[str, Means | Histograms]], ...]:
    return (("departures", model.departures.tables()), ("blocks", model.blocks.tables()))


def _restore(table: Means | Histograms, array: Array) -> None:
    if isinstance(table, Means):
        table.sums, table.weights = array[0], array[1]
    else:
        table.counts = array.astype(np.float64)


def _by_name(one: Taught, name: str, means: Means) -> dict[str, list[float]]:
    return {
        json.dumps(key): [float(means.sums[code]), float(means.weights[code])]
        for key, code in one.coder.known[name].items()
        if code < len(means.sums) - 1 and means.weights[code] > 1e-3
    }


def _lay_over(model: LaneModel, coder: Coder, over: dict[str, Any]) -> None:
    tables = model.blocks.tables()
    for name in _FAST:
        means = cast(Means, tables[f"fast.{name}"])
        means.sums, means.weights = np.zeros(len(means.sums)), np.zeros(len(means.weights))
        for key, (total, weight) in over[name].items():
            code = coder.known[name].get(tuple(json.loads(key)), -1)
            if 0 <= code < len(means.sums) - 1:
                means.sums[code], means.weights[code] = total, weight
