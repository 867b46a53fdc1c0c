"""Products: nothing about a drug is hard-coded, all of it stands here."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from pydantic import ConfigDict, model_validator
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.domain.nuclides import NUCLIDES
from app.domain.shipment import ClockStart, Form
from app.models.base import Code, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id

Positive = Annotated[float, WireField(gt=0, le=1e12)]
NotNegative = Annotated[float, WireField(ge=0, le=1e12)]
Hours = Annotated[float, WireField(gt=0, le=876_600)]  # a century
Minutes = Annotated[float, WireField(ge=0, le=10_080)]  # a week, as for a site's handling
Threshold = Annotated[float, WireField(ge=0, le=1_000_000)]
Fraction = Annotated[float, WireField(ge=0, le=10)]
Celsius = Annotated[float, WireField(ge=-273.15, le=200)]


class ProductClockShape(Wire):
    """A limit that runs for `hours` from `starts`."""

    name: Code
    hours: Hours
    starts: ClockStart


class ActivityRange(Wire):
    """What is usual for one container; a unit slip is recognised against it."""

    min: Positive
    max: Positive


class StorageShape(Wire):
    """Temperature limits and what may be spent outside them."""

    min_c: Celsius | None
    max_c: Celsius | None
    do_not_freeze: bool
    alarm_delay_minutes: NotNegative
    budget_minutes: NotNegative | None
    max_unmonitored_minutes: NotNegative | None = None


class ProductFields(Wire):
    """What a product says, whole."""

    name: Code
    form: Form = "unit_dose"
    nuclide: Code | None
    half_life_s: Annotated[float, WireField(ge=1, le=1e12)] | None = None
    half_life_source: Code | None = None
    shelf_life_hours: Hours | None = None
    shelf_life_from: Literal["calibration", "reference", "end_of_synthesis", "manufacture"] = "calibration"
    clocks: Annotated[list[ProductClockShape], WireField(max_length=20)] = WireField(default_factory=list)
    lower_tolerance: Annotated[float, WireField(ge=0, lt=1)] = 0.10
    upper_tolerance: Fraction | None = 0.10
    draw: Literal["whole", "by_volume"] = "whole"
    concentration_mbq_per_ml: Positive | None = None
    handling_minutes: Minutes | None = None
    administration_minutes: Minutes = 0.0
    bound_applies: Literal["start", "end"] = "start"
    usual_activity_mbq: ActivityRange | None = None
    assay_tolerance: Fraction = 0.10
    storage: StorageShape
    thresholds: Annotated[dict[Code, Threshold], WireField(max_length=100)] = WireField(default_factory=dict)

    @model_validator(mode="after")
    def _form_and_nuclide_agree(self) -> Self:
        if (self.form == "kit") != (self.nuclide is None):
            raise ValueError("a kit has no nuclide (null); every other form has one")
        if self.nuclide is not None and self.nuclide not in NUCLIDES:
            raise ValueError("no such nuclide; GET /v1/nuclides lists those known, such as Lu-177")
        if (self.half_life_s is None) != (self.half_life_source is None):
            raise ValueError("`half_life_s` and `half_life_source` go together")
        if self.usual_activity_mbq and self.usual_activity_mbq.min > self.usual_activity_mbq.max:
            raise ValueError("`usual_activity_mbq.min` is above its `max`")
        if self.form == "kit" and (self.draw == "by_volume" or self.concentration_mbq_per_ml is not None):
            raise ValueError("a kit holds no activity: it has no concentration and is not drawn by volume")
        return self

    @model_validator(mode="after")
    def _names_are_known_and_unambiguous(self) -> Self:
        names = [clock.name for clock in self.clocks]
        if len(set(names)) < len(names):
            raise ValueError("two clocks have the same name, and a binding limit could not be told apart")
        low_c, high_c = self.storage.min_c, self.storage.max_c
        if low_c is not None and high_c is not None and low_c > high_c:
            raise ValueError("`storage.min_c` is above `storage.max_c`")
        return self


class ProductCreate(ProductFields):
    """A new product."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Lu-177 vipivotide tetraxetan 7.4 GBq",
                    "nuclide": "Lu-177",
                    "shelf_life_hours": 120,
                    "lower_tolerance": 0.10,
                    "upper_tolerance": 0.10,
                    "handling_minutes": 60,
                    "usual_activity_mbq": {"min": 5000, "max": 12000},
                    "storage": {
                        "min_c": 2,
                        "max_c": 30,
                        "do_not_freeze": True,
                        "alarm_delay_minutes": 15,
                        "budget_minutes": 1440,
                    },
                }
            ]
        }
    )


class ProductRead(ProductFields):
    """A product as it is kept; `version` grows with each change."""

    id: Text
    version: int
    created_at: Instant


class Product(SQLModel, table=True):
    """A product's row: the newest version; shipments keep a copy of theirs."""

    __table_args__ = (sa.Index("ix_product_organisation_id_id", "organisation_id", "id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    name: str = Field(max_length=120)
    fields: dict[str, Any] = Field(sa_type=JsonType)
    version: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
