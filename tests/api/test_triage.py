"""The view of the night: one line a cause, with what hangs on it and whom to call."""

from typing import Any

from tests.support.api import Api, hours, shipment_body


async def lines(api: Api, **params: Any) -> list[dict[str, Any]]:
    told = await api.get("/v1/alerts", group="cause", **params)
    assert told.status_code == 200, told.text
    found: list[dict[str, Any]] = told.json()["data"]
    return found


def doses(api: Api, *patients: str | None) -> list[dict[str, Any]]:
    (dose,) = shipment_body(api)["doses"]
    return [
        dose | {"reference": f"D{number}", "subject_code": code}
        for number, code in enumerate(patients, start=1)
    ]


async def cancel_flight(api: Api, *shipments: dict[str, Any]) -> None:
    for shipment in shipments:
        await api.scan(shipment, "leg_cancelled", leg=2, event_id=f"cancelled-{shipment['reference']}")
    await api.assess()


async def test_twelve_shipments_on_one_cancelled_flight_are_one_line(api: Api) -> None:
    await api.set_up()
    contacts = [
        {"duty": "radiopharmacy", "phone": "+39 051 1", "hours": "Mon–Fri 07:00–19:00"},
        {"duty": "on call", "phone": "+39 051 2", "hours": "always"},
    ]
    await api.client.patch(f"/v1/sites/{api.site['id']}", json={"contacts": contacts}, headers=api.admin)
    shipments = [
        await api.ship(reference=f"R-{number}", doses=doses(api, f"S-{number}")) for number in range(12)
    ]
    api.clock.advance(hours=9)

    await cancel_flight(api, *shipments)

    (line, *others) = await lines(api, sort="act_by")
    cause = {"kind": "leg_cancelled", "leg": 2, "service": "AZ1", "location": "MXP", "lot": None}
    assert line["cause"] == cause
    assert (line["severity"], line["shipments"], line["doses"], line["patients"]) == ("critical", 12, 12, 12)
    assert (line["alerts"], line["unacknowledged"]) == (24, 24)
    assert line["kinds"] == ["arrival_after_expiry", "missed_connection"]
    assert line["decide_by"] is not None
    assert line["summary"].startswith(
        "Flight AZ1 MXP–BLQ was cancelled: 12 shipments, 12 doses, 12 patients; decide by Mon 02 Mar "
    )
    assert "CET" in line["summary"]
    assert line["what_would_help"][0] == "Book the next service in place of flight AZ1 MXP–BLQ."
    assert len(line["affected"]) == 12
    (site,) = line["sites"]
    assert site["contacts"] == contacts
    assert site["local_time"] == "Mon 02 Mar 10:00 CET (09:00Z)"
    assert others == []


async def test_the_same_flight_is_one_cause_whichever_leg_it_is_of_a_plan(api: Api) -> None:
    first = await api.ship(reference="R-1")
    legs = shipment_body(api)["legs"]
    detour = legs[0] | {"destination": "LIN", "planned_arrival_at": hours(8.5)}
    onward = legs[0] | {"origin": "LIN", "planned_departure_at": hours(8.6)}
    second = await api.ship(reference="R-2", legs=[detour, onward, *legs[1:]])
    api.clock.advance(hours=1)
    await cancel_flight(api, first)
    await api.scan(second, "leg_cancelled", leg=3, event_id="cancelled-3")
    await api.assess()

    (line,) = await lines(api)

    assert (line["cause"]["service"], line["cause"]["leg"], line["shipments"]) == ("AZ1", None, 2)


async def test_a_spare_is_a_dose_of_nobody_and_one_patient_may_have_two(api: Api) -> None:
    await api.set_up()
    spare = doses(api, None)[0] | {
        "reference": "SPARE",
        "prescribed_activity_mbq": None,
        "administer_at": None,
    }
    shipment = await api.ship(doses=[*doses(api, "S-1", "S-1", None), spare])
    api.clock.advance(hours=9)

    await cancel_flight(api, shipment)

    (line,) = await lines(api)
    assert (line["doses"], line["patients"]) == (4, 2)


async def test_causes_page_by_either_sort_and_only_open_ones_count(api: Api) -> None:
    await api.set_up()
    legs = shipment_body(api)["legs"]
    for number in range(3):
        flight = legs[1] | {"service": f"AZ{number}"}
        shipment = await api.ship(reference=f"R-{number}", legs=[legs[0], flight, legs[2]])
        await cancel_flight(api, shipment)
        api.clock.advance(minutes=1)
    await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "not needed"})
    await api.assess()

    seen: dict[str, list[str]] = {"-raised_at": [], "act_by": []}
    for sort, services in seen.items():
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            page = (await api.get("/v1/alerts", group="cause", limit=1, sort=sort, **cursor)).json()
            services += [one["cause"]["service"] for one in page["data"]]

    assert seen["-raised_at"] == ["AZ1", "AZ0"]
    assert sorted(seen["act_by"]) == ["AZ0", "AZ1"]
    assert len(await lines(api, state="resolved")) == 1


async def test_a_line_shows_a_role_only_what_hangs_on_its_own_shipments(api: Api) -> None:
    first, second = await api.ship(reference="R-1"), await api.ship(reference="R-2", study="OTHER")
    await cancel_flight(api, first, second)
    headers = await api.headers("subscriber", study="OTHER")

    told = await api.get("/v1/alerts", group="cause", headers=headers)

    (line,) = told.json()["data"]
    assert [one["reference"] for one in line["affected"]] == ["R-2"]
    assert "S-014" not in told.text


async def test_a_rejected_lot_is_one_line_over_all_its_shipments(api: Api) -> None:
    await api.set_up()
    for number in range(3):
        await api.ship(reference=f"R-{number}", doses=doses(api, f"S-{number}"))
    quality = await api.headers("quality")
    details = {"decision": "reject", "person": "Dr Rossi", "meaning": "responsibility"}
    body = {"event_id": "reject-L1", "lot": "L1", "type": "disposition", "reason": "sterility"}
    sent = body | {"occurred_at": api.clock.at.isoformat(), "details": details}
    assert (await api.post("/v1/events", sent, headers=quality)).status_code == 201
    await api.assess()

    (line,) = [one for one in await lines(api) if one["kinds"] == ["do_not_administer"]]

    assert (line["cause"]["lot"], line["shipments"], line["severity"]) == ("L1", 3, "critical")
    assert line["summary"].startswith("Lot L1 was rejected: 3 shipments, 3 doses, 3 patients")
