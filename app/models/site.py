"""Sites: the hospitals."""

from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

import sqlalchemy as sa
from pydantic import AfterValidator, ConfigDict, model_validator
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id

Latitude = Annotated[float, WireField(ge=-90, le=90)]
Longitude = Annotated[float, WireField(ge=-180, le=180)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("no such IANA time zone; write for example Europe/Rome")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
TimeOfDay = Annotated[str, WireField(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class ReceivingHours(Wire):
    """When the site takes deliveries, in its local time; days are ISO, 1 = Monday."""

    days: Annotated[list[Annotated[int, WireField(ge=1, le=7)]], WireField(min_length=1, max_length=7)]
    opens: TimeOfDay
    closes: TimeOfDay


class Contact(Wire):
    """Whom to call."""

    duty: Code
    phone: Code
    hours: Code | None = None


class SiteCreate(Wire):
    """A new site."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Ospedale Maggiore",
                    "code": "BLQ-HOSP",
                    "lat": 44.5,
                    "lon": 11.3,
                    "timezone": "Europe/Rome",
                    "handling_minutes": 90,
                    "receiving_hours": [{"days": [1, 2, 3, 4, 5], "opens": "07:00", "closes": "19:00"}],
                    "contacts": [{"duty": "radiopharmacy", "phone": "+39 051 000000"}],
                }
            ]
        }
    )
    name: Code
    code: Code
    lat: Latitude
    lon: Longitude
    timezone: Zone
    handling_minutes: Annotated[float, WireField(ge=0, le=10_080)]
    receiving_hours: Annotated[list[ReceivingHours], WireField(max_length=50)] = WireField(
        default_factory=list
    )
    contacts: Annotated[list[Contact], WireField(max_length=50)] = WireField(default_factory=list)


class SitePatch(Wire):
    """What may change at a site; its code stays, because plans end there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"handling_minutes": 45, "contacts": [{"duty": "night", "phone": "+39 051 000001"}]}]
        }
    )
    name: Code | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    timezone: Zone | None = None
    handling_minutes: Annotated[float, WireField(ge=0, le=10_080)] | None = None
    receiving_hours: Annotated[list[ReceivingHours], WireField(max_length=50)] | None = None
    contacts: Annotated[list[Contact], WireField(max_length=50)] | None = None

    @model_validator(mode="after")
    def _says_values(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("say what changes; nothing of a site can be null")
        return self


class SiteRead(SiteCreate):
    """A site as it is kept."""

    id: Text
    version: int
    created_at: Instant


class Site(SQLModel, table=True):
    """A site's row."""

    __table_args__ = (
        sa.UniqueConstraint("organisation_id", "code"),
        sa.Index("ix_site_organisation_id_id", "organisation_id", "id"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    code: str = Field(max_length=120)
    name: str = Field(max_length=120)
    lat: float
    lon: float
    timezone: str = Field(max_length=64)
    handling_minutes: float
    receiving_hours: list[dict[str, Any]] = Field(sa_type=JsonType)
    contacts: list[dict[str, Any]] = Field(sa_type=JsonType)
    version: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
