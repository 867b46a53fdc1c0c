"""The alert rules, in order: each says what is true now; what changed is for `alerts` to find.

A new kind is a function in one of the `rules_*` files and a line here. A rule that time alone can make true says in
`wakes_at` when; one that reads the odds says in `drifts` how far they are from changing it.
"""

from app.domain import rules_arrival, rules_dose, rules_way
from app.domain.devices import AFTER_ARRIVAL
from app.domain.rules_device import DEVICE_RULES
from app.domain.ruling import Rule

AFTER_RECEIPT = frozenset({"received"})
NEVER_SILENT = frozenset[str]()

ARRIVAL_RULES = (
    Rule(
        kind="plan_risk",
        judge=rules_arrival.plan_risk,
        silent_in=AFTER_ARRIVAL,
        wakes_at=rules_arrival.plan_phase_ends_at,
        drifts=rules_arrival.plan_risk_drifts,
    ),
    Rule(
        kind="arrival_after_expiry",
        judge=rules_arrival.arrival_after_expiry,
        silent_in=AFTER_ARRIVAL,
        wakes_at=rules_arrival.near_at,
        drifts=rules_arrival.arrival_drifts,
    ),
    Rule(
        kind="appointment_at_risk",
        judge=rules_arrival.appointment_at_risk,
        silent_in=AFTER_ARRIVAL,
        wakes_at=rules_arrival.windows_end_at,
        drifts=rules_arrival.appointment_drifts,
    ),
    Rule(
        kind="dose_expired",
        judge=rules_arrival.dose_expired,
        silent_in=AFTER_RECEIPT,
        wakes_at=rules_arrival.windows_end_at,
    ),
)

WAY_RULES = (
    Rule(
        kind="missed_connection",
        judge=rules_way.connection_missed,
        silent_in=AFTER_ARRIVAL,
        wakes_at=rules_way.departures_due_at,
    ),
    Rule(kind="hold", judge=rules_way.hold, silent_in=AFTER_ARRIVAL, wakes_at=rules_way.customs_too_long_at),
    Rule(
        kind="stalled",
        judge=rules_way.stalled,
        silent_in=AFTER_ARRIVAL,
        wakes_at=rules_way.stalled_wakes_at,
    ),
    Rule(
        kind="custody_gap",
        judge=rules_way.custody_gap,
        silent_in=NEVER_SILENT,
        wakes_at=rules_way.custody_gap_wakes_at,
    ),
)

DOSE_RULES = (
    Rule(
        kind="out_of_activity_window",
        judge=rules_dose.out_of_activity_window,
        silent_in=NEVER_SILENT,
    ),
    Rule(
        kind="not_released",
        judge=rules_dose.not_released,
        silent_in=NEVER_SILENT,
        wakes_at=rules_dose.not_released_wakes_at,
    ),
    Rule(
        kind="do_not_administer",
        judge=rules_dose.do_not_administer,
        silent_in=NEVER_SILENT,
        speaks_always=True,
    ),
    Rule(
        kind="assay_discrepancy",
        judge=rules_dose.assay_discrepancy,
        silent_in=NEVER_SILENT,
    ),
    Rule(
        kind="delivered_unusable",
        judge=rules_dose.delivered_unusable,
        silent_in=NEVER_SILENT,
    ),
    Rule(
        kind="outcome_missing",
        judge=rules_dose.outcome_missing,
        silent_in=NEVER_SILENT,
        wakes_at=rules_dose.outcome_missing_wakes_at,
    ),
)

RULES: tuple[Rule, ...] = (*ARRIVAL_RULES, *WAY_RULES, *DOSE_RULES, *DEVICE_RULES)
