"""What is shipped besides a unit dose: a kit, a generator, a vial for several patients.

Each is told through HTTP with a clock that only the test moves. Half-lives: Ge-68 270.95 d, F-18 109.77 min (ENSDF).
"""

import itertools
import math

import pytest

from tests.support.api import Api
from tests.support.days import (
    MINUTE,
    answer,
    doses,
    leg,
    product,
    register,
    say,
    site,
    until,
    utc,
    wire,
)

F18_MINUTES = 109.77
LU_HOURS = 6.6443 * 24


async def test_a_kit_and_a_germanium_generator(api: Api) -> None:
    """A kit has no activity, and says nothing in place of one; a Ge-68 generator decays with Ge-68 and lasts months."""
    kit = await product(
        api, name="PSMA kit", form="kit", nuclide=None, shelf_life_hours=8760, shelf_life_from="manufacture",
        usual_activity_mbq=None,
    )  # fmt: skip
    generator = await product(
        api, name="Ge-68/Ga-68 1.85 GBq", form="generator", nuclide="Ge-68", shelf_life_hours=None,
        upper_tolerance=None, usual_activity_mbq={"min": 1000, "max": 2500},
    )  # fmt: skip
    clinic = await site(api, "CLINIC")
    way = [leg("PLANT", "CLINIC", "2 08:00", "2 10:00")]
    made = {"reference_kind": "manufacture", "calibrated_at": wire("1 00:00")}
    body = {
        "reference": "KIT-1",
        "product_id": kit["id"],
        "site_id": clinic["id"],
        "origin": {"code": "PLANT", "lat": 45.0, "lon": 9.0},
        "legs": way,
        "doses": [{"reference": "K1", "calibrated_activity_mbq": 10.0} | made],
    }

    refused = await api.post("/v1/shipments", body)
    box = await register(
        api, "KIT-1", product=kit, site=clinic, legs=way, doses=[{"reference": "K1", "lot": "K7"} | made]
    )
    column = await register(
        api,
        "GE-1",
        product=generator,
        site=clinic,
        legs=way,
        doses=[
            {
                "reference": "G1",
                "calibrated_activity_mbq": 1850.0,
                "calibrated_at": wire("1 00:00"),
                "prescribed_activity_mbq": 1110.0,
                "expires_at": wire(utc("1 00:00") + 365 * 1440 * MINUTE),
            }
        ],
    )
    await until(api, "2 10:00", step_minutes=300)
    for shipment in (box, column):
        await say(api, shipment, "received")
    received = {name: (await doses(api, one))[name] for name, one in (("K1", box), ("G1", column))}
    api.clock.set(utc("2 10:00") + 180 * 1440 * MINUTE)

    later = {name: (await doses(api, one))[name] for name, one in (("K1", box), ("G1", column))}
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/doses/0/calibrated_activity_mbq"
    assert received["K1"]["activity_mbq"] == {"now": None, "at_eta_p50": None, "at_administration": None}
    assert [received["K1"][name] for name in ("nuclide", "half_life_s", "draw_volume_ml", "assay")] == [
        None
    ] * 4
    assert (received["K1"]["usable_until"], received["K1"]["binding_limit"]) == (
        answer(utc("1 00:00") + 365 * 1440 * MINUTE), "shelf_life",
    )  # fmt: skip
    assert received["K1"]["verdict"] == received["G1"]["verdict"] == "received_usable"
    assert received["G1"]["nuclide"] == "Ge-68"
    # 0.9 of 1.11 GBq is reached 241 days after calibration: long before the label's year.
    floor_days = 270.95 * math.log2(1850 / 999)
    assert received["G1"]["binding_limit"] == "activity_floor"
    assert received["G1"]["usable_until"][:16] == answer(utc("1 00:00") + floor_days * 1440 * MINUTE)[:16]
    days = (api.clock.at - utc("1 00:00")) / (1440 * MINUTE)
    assert later["G1"]["activity_mbq"]["now"] == pytest.approx(1850 * 2 ** (-days / 270.95), rel=1e-6)
    assert later["K1"]["activity_mbq"]["now"] is None


async def test_the_declared_activity_is_the_maximum_in_transport_and_never_decays(api: Api) -> None:
    """TRN-07 of the worked cases: 8.9 GBq declared on the label, 7.6 GBq two days later; both are shown."""
    declared = {
        "declared_activity_mbq": 8900.0,
        "declared_at": wire("2 06:00"),
        "transport_index": 0.4,
        "label_category": "I-WHITE",
    }
    shipment = await register(
        api,
        "LU-1",
        product=await product(api),
        site=await site(api, "CLINIC"),
        legs=[leg("PLANT", "CLINIC", "2 08:00", "2 10:00")],
        doses=[{"reference": "D1", "calibrated_activity_mbq": 8900.0, "calibrated_at": wire("2 06:00")}],
        package=declared,
    )
    api.clock.set(utc("3 18:20"))

    later = await api.get(f"/v1/shipments/{shipment['id']}")

    assert later.json()["package"]["declared_activity_mbq"] == 8900.0
    assert later.json()["package"]["label_category"] == "I-WHITE"
    assert later.json()["package_remarks"] == [
        "a transport index of 0.4 needs label II-YELLOW at least; the papers say I-WHITE"
    ]
    left = (await doses(api, shipment))["D1"]["activity_mbq"]["now"]
    assert left == pytest.approx(8900 * 2 ** (-(36 + 20 / 60) / LU_HOURS))
    assert left == pytest.approx(7600, rel=1e-3)


async def test_one_vial_for_three_patients(api: Api) -> None:
    """Ten millilitres of FDG for three patients: each draw is larger than the last, and the third is said in mL too.

    The first draw punctures the vial, which then keeps for four hours: that ends sooner than there is enough in it.
    """
    vial = await product(
        api,
        name="FDG vial",
        form="multidose_vial",
        draw="by_volume",
        nuclide="F-18",
        shelf_life_hours=10,
        shelf_life_from="end_of_synthesis",
        clocks=[{"name": "after puncture", "hours": 4, "starts": "first_puncture"}],
        usual_activity_mbq={"min": 2000, "max": 20000},
        handling_minutes=15,
    )
    clinic = await site(api, "CLINIC")
    shipment = await register(
        api,
        "VIAL-1",
        product=vial,
        site=clinic,
        legs=[leg("PLANT", "CLINIC", "2 08:00", "2 09:00")],
        doses=[
            {
                "reference": "V1",
                "reference_kind": "end_of_synthesis",
                "calibrated_activity_mbq": 10_000.0,
                "calibrated_at": wire("2 06:00"),
                "volume_ml": 10.0,
                "prescribed_activity_mbq": 370.0,
                "administer_at": wire("2 09:30"),
            }
        ],
    )
    own = await api.headers("site", site_id=clinic["id"])
    await until(api, "2 09:10", step_minutes=190)
    await say(api, shipment, "received", "2 09:05", headers=own)
    full = (await doses(api, shipment))["V1"]
    left = [full["volume_left_ml"]]
    for at, given in (("2 09:30", {"administered_activity_mbq": 370.0}), ("2 10:30", {}), ("2 11:30", {})):
        await until(api, at, step_minutes=60)
        await say(api, shipment, "administered", dose="V1", details=given, headers=own)
        left.append((await doses(api, shipment))["V1"]["volume_left_ml"])

    last = (await doses(api, shipment))["V1"]
    drawn = [0.37 * 2 ** (minutes / F18_MINUTES) for minutes in (210, 270, 330)]
    assert full["draw_volume_ml"] == pytest.approx(drawn[0])
    # The vial holds a whole prescription for log2(10 000 / 370) half-lives: until 14:42, before the label's 16:00.
    enough_until = utc("2 06:00") + F18_MINUTES * math.log2(10_000 / 370) * MINUTE
    assert (full["usable_until"][:19], full["binding_limit"]) == (answer(enough_until)[:19], "activity_floor")
    assert [before - after for before, after in itertools.pairwise(left)] == pytest.approx(drawn)
    assert (last["usable_until"], last["binding_limit"]) == (answer("2 13:30"), "clock:after puncture")
    assert last["activity_mbq"]["now"] == pytest.approx(1000 * 2 ** (-330 / F18_MINUTES) * left[-1])
    assert (last["outcome"], last["verdict"]) == ("administered", "received_usable")
