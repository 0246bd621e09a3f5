"""The pages of incidents, as people and screen readers find them: by heading, label and link."""

import re
from datetime import timedelta

import pytest

from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk import pages, services
from mainstay.domains.desk.tests.conftest import now_of, signed_in


def at(ticket, tail=""):
    return f"/c/harbor/help-desk/{ticket.id}/{tail}"


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_the_page_of_an_incident_shows_title_reference_clock_and_timeline(tara, ticket):
    answer = tara.get(at(ticket))

    assert answer.status_code == 200
    text = text_of(answer)
    for words in (ticket.title, ticket.reference, "nobody owns it", "Resolution", "Running", "An alert fired", "Opened with priority 2"):
        assert words in text


def test_the_list_names_the_incident_and_leads_to_it(tara, ticket):
    answer = tara.get("/c/harbor/help-desk/")

    assert answer.status_code == 200
    assert ticket.reference in text_of(answer)
    assert f"/help-desk/{ticket.id}/" in answer.content.decode()


def test_the_list_shows_who_owns_an_incident_by_name(tara, ticket):
    tara.post(at(ticket, "take"))

    assert "Tara" in text_of(tara.get("/c/harbor/help-desk/?owner=@me"))


def test_taking_assigning_noting_and_resolving_work_without_script(tara, web_cast, ticket):
    assert tara.post(at(ticket, "take")).status_code == 302
    assert now_of(ticket).owner == web_cast.tara.actor.ref

    assert tara.post(at(ticket, "note"), {"text": "Disk replaced.", "visibility": "internal"}).status_code == 302
    assert "Disk replaced." in text_of(tara.get(at(ticket)))

    form = {"resolution_code": "fixed", "cause_code": "hardware", "note": "New disk."}
    assert tara.post(at(ticket, "resolve"), form).status_code == 302
    assert (now_of(ticket).status, now_of(ticket).cause_code) == ("resolved", "hardware")


@pytest.mark.parametrize("name", ["note", "resolve", "assign", "wait", "priority", "reopen"])
def test_each_act_has_a_form_with_labelled_fields(tara, ticket, name):
    answer = tara.get(at(ticket, f"do/{name}"))

    assert answer.status_code == 200
    fields = set(re.findall(r'<(?:input|select|textarea)[^>]*\bid="(id_[^"]+)"', answer.content.decode()))
    labels = set(re.findall(r'<label[^>]*\bfor="(id_[^"]+)"', answer.content.decode()))
    assert fields
    assert fields <= labels


def test_an_empty_note_is_shown_again_with_its_error_and_changes_nothing(tara, ticket):
    answer = tara.post(at(ticket, "note"), {"text": "", "visibility": "internal"})

    assert answer.status_code == 422
    assert "This field is required." in text_of(answer)
    assert now_of(ticket).version == ticket.version


def test_words_of_a_note_stay_words(tara, ticket):
    tara.post(at(ticket, "note"), {"text": "<script>alert(1)</script>", "visibility": "internal"})

    assert "<script>alert(1)" not in tara.get(at(ticket)).content.decode()


def test_why_prints_stretches_that_add_up(tara, ticket):
    answer = tara.get(at(ticket, "clocks"))

    assert answer.status_code == 200
    assert "Policy 'Default' on calendar 'Working hours' applies." in text_of(answer).replace("&#x27;", "'")


def test_a_client_that_is_named_in_no_address_is_read_but_not_written(tara, ticket):
    elsewhere = tara.get(f"/help-desk/{ticket.id}/")

    assert elsewhere.status_code == 200
    assert f'href="/c/harbor/help-desk/{ticket.id}/"' in elsewhere.content.decode()
    assert tara.post(f"/help-desk/{ticket.id}/take").status_code == 404
    assert now_of(ticket).owner == ""


def test_an_incident_of_another_provider_answers_like_one_that_does_not_exist(web_cast, ticket):
    client = signed_in(web_cast.iris)

    foreign, missing = client.get(f"/help-desk/{ticket.id}/"), client.get(f"/help-desk/{new_id()}/")

    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert client.post(f"/help-desk/{ticket.id}/take").status_code == 404


def test_a_reference_read_aloud_leads_to_the_incident(tara, ticket):
    answer = tara.get(f"/c/harbor/help-desk/by-reference/{ticket.reference.lower()}")

    assert answer.status_code == 302
    assert answer["Location"].endswith(f"/help-desk/{ticket.id}/")


def test_today_names_what_nobody_has_taken_and_what_automation_handed_over(web_cast, web_worker, ticket, web_clock):
    actor = web_cast.tara.actor
    with tenant_transaction(actor.tenant, readable=actor.readable, read_only=True):
        assert [row.text for row in pages.today(actor, web_clock)] == ["Nobody has taken it."]

    with tenant_transaction(web_worker.tenant):
        services.hand_to_person(actor=web_worker, incident_id=ticket.id, reason="budget_used_up", text="...", clock=web_clock)
        services.assign_incident(actor=web_worker, incident_id=ticket.id, owner=actor.ref, clock=web_clock)
    with tenant_transaction(actor.tenant, readable=actor.readable, read_only=True):
        rows = pages.today(actor, web_clock)

    assert [(row.rank, row.text) for row in rows] == [("b", "Automation handed it over.")]
    assert rows[0].why == "automation could not or may not heal it"


def test_today_puts_a_promise_that_is_due_within_the_hour_first(web_cast, web_worker, ticket, web_clock):
    actor = web_cast.tara.actor
    with tenant_transaction(web_worker.tenant):
        services.change_priority(actor=web_worker, incident_id=ticket.id, priority=1, reason="All of them", clock=web_clock)

    with tenant_transaction(actor.tenant, readable=actor.readable, read_only=True):
        (row,) = pages.today(actor, web_clock)

    assert (row.rank, row.why, row.at) == ("a", "it is due within an hour", ticket.started_at + timedelta(hours=1))


def test_the_palette_finds_an_incident_by_its_number_and_by_its_title(web_cast, ticket):
    actor = web_cast.tara.actor
    with tenant_transaction(actor.tenant, readable=actor.readable, read_only=True):
        assert [hit.title for hit in pages.search(actor, "#har-1", 5)] == [f"{ticket.reference} {ticket.title}"]
        assert len(pages.search(actor, "nginx", 5)) == 1
        assert pages.search(actor, "postgres", 5) == []
