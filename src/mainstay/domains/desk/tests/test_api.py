"""The API of incidents."""

import json

import pytest

from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk.models import Ticket
from mainstay.domains.desk.tests.conftest import now_of, signed_in

API = "/c/harbor/api/v1/desk/incidents"


def send(client, address, body, **headers):
    return client.post(address, json.dumps(body), content_type="application/json", **headers)


@pytest.fixture
def address(ticket):
    return f"{API}/{ticket.id}"


def test_the_list_and_one_incident_agree(tara, ticket, address):
    (row,) = tara.get(API).json()["items"]
    one = tara.get(address).json()

    assert (row["id"], row["reference"], row["status"]) == (str(ticket.id), ticket.reference, "new")
    assert (one["reference"], one["priority"], one["binding"]) == (
        ticket.reference,
        2,
        "Policy 'Default' on calendar 'Working hours' applies.",
    )
    assert [clock["target_s"] for clock in one["clocks"]] == [14_400]
    assert [line["title"] for line in one["timeline"]] == ["An alert fired", "Opened with priority 2"]


def test_clocks_come_with_stretches_that_add_up(tara, address):
    (one,) = tara.get(f"{address}/clocks").json()

    running = sum(segment["exact_us"] for segment in one["segments"] if segment["kind"] == "running")
    assert running == one["consumed_us"]


def test_everything_that_the_page_can_do_the_api_can_do(tara, ticket, address):
    assert send(tara, f"{address}/take", {}).json()["status"] == "open"
    assert send(tara, f"{address}/notes", {"text": "Looking.", "visibility": "internal"}).status_code == 200
    assert send(tara, f"{address}/assign", {"owner": None}).json()["owner"] is None
    assert send(tara, f"{address}/priority", {"priority": 3, "reason": "One host of two."}).json()["priority"] == 3
    assert send(tara, f"{address}/status", {"to": "waiting", "waiting_for": "vendor"}).json()["waiting_for"] == "vendor"
    assert send(tara, f"{address}/resolve", {"resolution_code": "fixed", "cause_code": "vendor"}).json()["cause"] == "vendor"
    assert send(tara, f"{address}/reopen", {"reason": "Down again."}).json()["status"] == "open"
    assert now_of(ticket).status == "open"


def test_a_stale_version_changes_nothing(tara, ticket, address):
    stale = send(tara, f"{address}/resolve", {"resolution_code": "fixed"}, headers={"If-Match": f'"{ticket.version - 1}"'})

    assert (stale.status_code, stale.json()["code"]) == (409, "desk.stale_version")
    assert now_of(ticket).version == ticket.version
    fresh = send(tara, f"{address}/resolve", {"resolution_code": "fixed"}, headers={"If-Match": f'"{ticket.version}"'})
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("tail", "body", "status", "code"),
    [
        ("resolve", {"resolution_code": "magic"}, 422, "desk.resolution_unknown"),
        ("notes", {"text": "   "}, 422, "desk.note_bad"),
        ("notes", {"text": "x", "visibility": "world"}, 422, "desk.visibility_unknown"),
        ("status", {"to": "resolved"}, 422, "desk.transition"),
        ("status", {"to": "waiting"}, 422, "desk.transition"),
        ("priority", {"priority": 9, "reason": "x"}, 422, "desk.priority_unknown"),
        ("assign", {"owner": "everybody"}, 422, "desk.owner_bad"),
        ("reopen", {"reason": "x"}, 409, "desk.transition"),
    ],
)
def test_wrong_input_names_its_problem_and_changes_nothing(tara, ticket, address, tail, body, status, code):
    answer = send(tara, f"{address}/{tail}", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert now_of(ticket).version == ticket.version


def test_a_repair_says_what_differs_and_writes_only_when_asked(web_cast, ticket):
    nadia = signed_in(web_cast.nadia)
    with tenant_transaction(ticket.tenant):
        Ticket.objects.filter(id=ticket.id).update(queue="nowhere")
    address = "/c/harbor/api/v1/desk/clocks/rebuild"

    looked = send(nadia, address, {"incident_id": str(ticket.id), "check": True}).json()
    assert looked == {"tickets": 1, "differences": [f"{ticket.reference}: queue was 'nowhere'"], "written": False}
    assert now_of(ticket).queue == "nowhere"

    assert send(nadia, address, {}).json()["written"] is True
    assert now_of(ticket).queue == ticket.queue
    assert send(nadia, address, {"check": True}).json()["differences"] == []


def test_a_technician_may_not_repair(tara, ticket):
    assert send(tara, "/c/harbor/api/v1/desk/clocks/rebuild", {"check": True}).status_code == 403


def test_the_names_of_owners_cost_no_round_trip_per_line(tara, ticket, django_assert_max_num_queries):
    send(tara, f"{API}/{ticket.id}/take", {})
    with django_assert_max_num_queries(100) as one:
        assert [line["owner"] for line in tara.get(API).json()["items"]] == ["Tara"]
    with tenant_transaction(ticket.tenant):
        row = Ticket.objects.values().get(id=ticket.id)
        for number in range(2, 22):
            Ticket.objects.create(**{**row, "id": new_id(), "number": number, "reference": f"HARBOR-{number}-00"})

    with django_assert_max_num_queries(len(one)) as many:
        assert [line["owner"] for line in tara.get(API).json()["items"]] == ["Tara"] * 21
    assert len(many) <= len(one)
