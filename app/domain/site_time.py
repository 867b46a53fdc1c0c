"""The site's own clock: when it takes deliveries, and how an instant is told to the people there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.domain.shipment import Opening, Site

_DAYS_AROUND = 8  # a week and a day: a site that opens on one day of the week is still found


def counted_arrival_at(arrived_at: datetime, site: Site) -> datetime:
    """Return when an arrival counts: at once in receiving hours (bounds included), else when they begin."""
    if not site.receiving_hours:
        return arrived_at
    later: list[datetime] = []
    for opens_at, closes_at in _openings(site, around=arrived_at):
        if opens_at <= arrived_at <= closes_at:
            return arrived_at
        if opens_at > arrived_at:
            later.append(opens_at)
    return min(later, default=arrived_at)


def last_receivable_at(bound_at: datetime, site: Site) -> datetime:
    """Return the last arrival that counts by `bound_at`: the bound itself, or the closing before it."""
    if counted_arrival_at(bound_at, site) == bound_at:
        return bound_at
    return max(
        (closes_at for _, closes_at in _openings(site, around=bound_at) if closes_at < bound_at),
        default=bound_at,
    )


def site_text(at: datetime, site: Site) -> str:
    """Return an instant in the site's local time with UTC beside it: `Tue 06 Jan 14:30 CET (13:30Z)`."""
    local = at.astimezone(ZoneInfo(site.timezone))
    utc = at.astimezone(UTC)
    other_day = "" if utc.date() == local.date() else f"{utc:%d %b} "
    return f"{local:%a %d %b %H:%M %Z} ({other_day}{utc:%H:%M}Z)"


def _openings(site: Site, *, around: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the openings of the days around an instant; closing at or before opening means the next day."""
    zone = ZoneInfo(site.timezone)
    today = around.astimezone(zone).date()
    for offset in range(-_DAYS_AROUND, _DAYS_AROUND + 1):
        day = today + timedelta(days=offset)
        for opening in site.receiving_hours:
            if day.isoweekday() in opening.days:
                yield _span(day, opening, zone)


def _span(day: date, opening: Opening, zone: ZoneInfo) -> tuple[datetime, datetime]:
    opens, closes = time.fromisoformat(opening.opens), time.fromisoformat(opening.closes)
    last_day = day if closes > opens else day + timedelta(days=1)
    return (
        datetime.combine(day, opens, tzinfo=zone).astimezone(UTC),
        datetime.combine(last_day, closes, tzinfo=zone).astimezone(UTC),
    )
