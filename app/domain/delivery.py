"""When a delivery is tried again, what an answer means, and how a message is signed.

Source: the Standard Webhooks specification for the signature; the ladders are our own decision (docs/decisions).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from app.domain.alerts import SEVERITY_RANK

Outcome = Literal["delivered", "retry", "gone", "refused"]

STANDARD_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
CRITICAL_S: Final = (2, 5, 10, 20, 30, 60)
CRITICAL_MINUTES: Final = 120
CRITICAL_THEN_S: Final = 900
LATER: Final = frozenset({408, 410, 425, 429})
"""Client errors that say `later` or `gone`, not `wrong`."""
NEVER_COUNTED: Final = "alert.unacknowledged"
"""An escalation is told because nobody reacted to the rest: no digest may swallow it."""
PAUSE_MAX: Final = timedelta(hours=1)
JITTER: Final = 0.2
DISABLE_AFTER: Final = timedelta(hours=24)
DISABLE_FAILURES: Final = 10


def wait_s(ladder: str, attempts: int) -> float | None:
    """Return how long to wait after so many attempts; None when the ladder ends."""
    if ladder == "standard":
        return STANDARD_S[attempts - 1] if attempts <= len(STANDARD_S) else None
    if attempts <= len(CRITICAL_S):
        return CRITICAL_S[attempts - 1]
    return 60 if attempts <= len(CRITICAL_S) + CRITICAL_MINUTES else CRITICAL_THEN_S


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a delivery after a failed attempt; `at` (wall) only while it is pending."""

    state: Literal["pending", "failed", "expired"]
    at: datetime | None = None


def after_failure(
    ladder: str, attempts: int, *, at: datetime, chance: float, time_left: timedelta | None
) -> Next:
    """Return when to try again, 20 % around the ladder's step; `chance` lies in 0 to 1.

    `time_left` (wall) until the news is worthless; None: never. The last attempt is made when it ends, so what
    was held back for longer is still tried once.
    """
    seconds = wait_s(ladder, attempts)
    if seconds is None:
        return Next("failed")
    wait = timedelta(seconds=seconds * (1 + JITTER * (2 * chance - 1)))
    if time_left is None:
        return Next("pending", at + wait)
    return Next("pending", at + min(wait, time_left)) if time_left > timedelta() else Next("expired")


def flag_of(status: int) -> str | None:
    """Name what is odd about an answer: a redirect is not followed, a client error is most likely ours to mend."""
    if 300 <= status < 400:
        return "redirect"
    return "client_error" if 400 <= status < 500 and status not in LATER else None


def outcome_of(status: int | None) -> Outcome:
    """Say what an answer's status means; None: there was no answer."""
    if status is not None and 200 <= status < 300:
        return "delivered"
    return "gone" if status == 410 else "retry"


def says_later(status: int) -> bool:
    """Say whether an answer's `Retry-After` is meant for us."""
    return status in LATER or status >= 500


def pause_until(retry_after: str | None, *, at: datetime, chance: float) -> datetime | None:
    """Return until when an endpoint asks to be left alone: whole seconds only, an hour at most, never sooner."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit() or len(retry_after) > 9:
        return None
    asked = min(timedelta(seconds=int(retry_after)), PAUSE_MAX)
    return at + asked * (1 + JITTER * chance)


def wants(patterns: Iterable[str], type_: str, *, min_severity: str | None, severity: str | None) -> bool:
    """Say whether an endpoint's filters let a message pass; `alert.*` takes all that begins with `alert.`."""
    fits = any(one in ("*", type_) or (one.endswith(".*") and type_.startswith(one[:-1])) for one in patterns)
    if not fits or min_severity is None or severity is None:
        return fits
    return SEVERITY_RANK[severity] >= SEVERITY_RANK[min_severity]


def signed_content(message_id: str, timestamp: int, body: bytes) -> bytes:
    """Return what a signature is made over."""
    return f"{message_id}.{timestamp}.".encode() + body


def hmac_signature(secret: bytes, content: bytes) -> str:
    """Return a `v1` signature."""
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def failing_too_long(*, failing_since: datetime | None, failures: int, at: datetime) -> bool:
    """Say whether an endpoint has only failed for so long, and so often, that it is switched off."""
    return failing_since is not None and failures >= DISABLE_FAILURES and at - failing_since >= DISABLE_AFTER


def is_quiet(hours: Mapping[str, str] | None, *, at: datetime) -> bool:
    """Say whether `at` lies in an endpoint's quiet hours, by the clocks of its place; `from` belongs to them."""
    if hours is None:
        return False
    now = at.astimezone(ZoneInfo(hours["timezone"])).strftime("%H:%M")
    start, end = hours["from"], hours["until"]
    return start <= now < end if start < end else now >= start or now < end


def is_gated(
    type_: str,
    severity: str | None,
    *,
    hours: Mapping[str, str] | None,
    digest_above: int | None,
    at: datetime,
) -> bool:
    """Say whether a message must wait at its endpoint's gate: for the end of quiet hours, or to be counted."""
    counted = type_.startswith("alert.") and type_ != NEVER_COUNTED
    if digest_above is not None and counted:
        return True
    return severity != "critical" and is_quiet(hours, at=at)
