"""Were the forecasts true? For everybody in the office to see."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from app.domain import calibration, horizons
from app.domain.access import Caller
from app.formats import backtest_report, svg
from app.routers.dependencies import HouseDep, Requires

router = APIRouter(prefix="/v1", tags=["lanes"])
Reader = Annotated[Caller, Depends(Requires("read:lanes"))]


@router.get("/calibration", response_model=None)
async def read_calibration(caller: Reader, house: HouseDep) -> dict[str, Any]:
    """Return how often arrivals fell inside p10–p90, and how often "30 % late" was late in 30 % of cases."""
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
