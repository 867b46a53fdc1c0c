"""Were the forecasts true? For everybody in the office to see."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from app.domain import calibration, horizons
from app.domain.access import Caller
from app.formats import backtest_report, svg
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires

router = APIRouter(prefix="/v1", route_class=CheckedRoute, tags=["lanes"])
Reader = Annotated[Caller, Depends(Requires("read:lanes"))]

_EXAMPLE = {
    "forecasts": 1240,
    "target_inside": 0.8,
    "coverage": [
        {
            "week": "2026-03-02", "horizon": "2 to 6 h", "legs": 3, "cases": 412,
            "below_p10": 0.0922, "inside": 0.7961, "above_p90": 0.1117,
        }
    ],
    "reliability": [
        {"horizon": "2 to 6 h", "from": 0.3, "until": 0.4, "cases": 38, "said": 0.3411, "came_true": 0.3684}
    ],
    "correction": {
        "lanes_version": "lanes-12",
        "horizons": [
            {"horizon": "more than 24 h", "cases": 0, "p10": 0.1, "p50": 0.5, "p90": 0.9},
            {"horizon": "6 to 24 h", "cases": 388, "p10": 0.1214, "p50": 0.5402, "p90": 0.9106},
            {"horizon": "2 to 6 h", "cases": 412, "p10": 0.1175, "p50": 0.5538, "p90": 0.9213},
            {"horizon": "up to 2 h", "cases": 401, "p10": 0.1092, "p50": 0.5321, "p90": 0.9187},
            {"horizon": "overdue", "cases": 0, "p10": 0.1, "p50": 0.5, "p90": 0.9},
        ],
    },
}  # fmt: skip


@router.get(
    "/calibration",
    response_model=None,
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
async def read_calibration(caller: Reader, house: HouseDep) -> dict[str, Any]:
    """Return how often arrivals fell inside p10–p90, and how often "30 % late" was late in 30 % of cases.

    `correction` tells, by horizon, which level of a forecast as computed is told as p10, p50 and p90 now, learned
    from so many shipments (0: none is moved), and which statistics hold that.
    """
    return await house.calibration.report(caller)


@router.get("/calibration.svg", response_class=Response)
async def draw_calibration(caller: Reader, house: HouseDep) -> Response:
    """Draw both as curves."""
    report = await house.calibration.report(caller)
    cells = [
        (
            horizon,
            [
                (one["said"], one["came_true"], one["cases"])
                for one in report["reliability"]
                if one["horizon"] == horizon
            ],
        )
        for horizon in horizons.HORIZONS
    ]
    drawn = svg.stacked(
        "Calibration of arrivals",
        [
            backtest_report.coverage_curve(calibration.weekly(report["coverage"])),
            backtest_report.reliability_curve([cell for cell in cells if cell[1]], cases_min=1),
        ],
    )
    return Response(drawn, media_type="image/svg+xml")
