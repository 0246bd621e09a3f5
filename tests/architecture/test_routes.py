"""Every address x method x person x foreign id answers like an id that does not exist.

Source: security page, section 9, test catalogue (phase 1: ASVS 8.4.1, 8.2.2, 15.4.2).
"""

import re
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from tests.architecture.conftest import World
from tests.architecture.routes import ROW_OF, WORDS, Route, routes
from tests.support.cast import Member
from tests.support.rows import CANARY

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
# A superset of what the forms and operations ask for, so that an attempt gets as far as the id.
FIELDS = {
    "note": CANARY,
    "text": CANARY,
    "reason": CANARY,
    "cause": CANARY,
    "name": CANARY,
    "label": CANARY,
    "login": CANARY,
    "role": "technician_1",
    "minutes": 5,
    "hours": 1,
    "until": "2030-01-01T00:00:00Z",
    "priority": 2,
    "status": "open",
    "code": "fixed",
    "assignee": "me",
    "unit": "x.service",
    "units": ["x.service"],
    "mode": "off",
    "version": 1,
    "resume_at": "2030-01-01T00:00",
}
# Who tries, and the tenants whose rows they try to reach.
ATTEMPTS = (
    ("iris", "harbor"),
    ("iris", "elm"),
    ("omar", "elm"),
    ("clara", "harbor"),
    ("ada", "harbor"),
    ("paul", "elm"),
    ("tara", "southgate"),
)


def signed_in(member: Member) -> Client:
    client = Client(headers={"host": "localhost", "accept": "text/html"}, raise_request_exception=False)
    client.force_login(member.person, backend=BACKEND)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": 0}]
    session["account_authentication_methods_user"] = str(member.person.pk)
    session.save()
    return client


def ask(client: Client, route: Route, method: str, values: dict[str, object], scope: str = "") -> tuple[int, str]:
    address = scope + route.address(values)
    body = FIELDS if method != "GET" else None
    if body is not None and address.startswith("/api/"):
        answer = client.generic(method, address, data=_json(body), content_type="application/json")
    else:
        answer = client.generic(method, address) if body is None else client.post(address, body)
    return answer.status_code, _without_noise(_content(answer).replace(address, "ADDRESS"), values)


def _json(body: dict[str, object]) -> str:
    return Client()._encode_json(body, "application/json")


def _content(answer) -> str:
    # A stream that opens for somebody is read no further than its first part: it may never end.
    if answer.streaming:
        return f"stream {answer['Content-Type']}"
    return answer.content.decode(errors="replace")


def _without_noise(text: str, values: dict[str, object]) -> str:
    """Take out what differs between any two answers: tokens, idempotency keys, times, and the id that was asked for."""
    for value in values.values():
        text = text.replace(str(value), "ID") if isinstance(value, UUID) else text
    text = re.sub(r'(value|content)="[A-Za-z0-9_-]{20,}"', "", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d\d:\d\d:\d\d(\.\d+)?", "", text)


def foreign_values(world: World, route: Route, tenant: UUID) -> dict[str, object]:
    return {name: world.key_of(ROW_OF[name], tenant) for name in route.row_parameters}


def missing_values(route: Route, like: dict[str, object]) -> dict[str, object]:
    return {name: 9_000_000 if isinstance(like[name], int) else new_id() for name in route.row_parameters}


def test_every_parameter_of_every_address_has_a_known_meaning():
    unknown = {(route.pattern, name) for route in routes() for name in route.parameters if name not in ROW_OF and name not in WORDS}

    assert unknown == set()


def test_the_walk_sees_the_whole_product():
    found = routes()

    assert len(found) >= 140
    assert len([route for route in found if route.row_parameters]) >= 50


@pytest.mark.parametrize(("who", "whose"), ATTEMPTS)
def test_a_foreign_id_answers_like_one_that_does_not_exist(world, who, whose):
    member, tenant = world.cast.members[who], getattr(world.cast, whose).id
    client, told, asked = signed_in(member), [], 0
    for route in (one for one in routes() if one.row_parameters):
        foreign = foreign_values(world, route, tenant)
        for method in route.methods:
            asked += 1
            there, nowhere = ask(client, route, method, foreign), ask(client, route, method, missing_values(route, foreign))
            if there != nowhere or there[0] < 400 or there[0] >= 500:
                told.append(f"{method} {route.pattern}: {there[0]} for a foreign id, {nowhere[0]} for none")

    assert told == []
    assert asked >= 60


@pytest.mark.parametrize("who", ["iris", "paul"])
def test_a_foreign_clients_scope_answers_like_one_that_does_not_exist(world, who):
    member = world.cast.members[who]
    client, told = signed_in(member), []
    slug = "quay"
    for route in routes():
        values = {name: world.key_of(ROW_OF[name], world.cast.harbor.id) for name in route.row_parameters}
        for method in route.methods:
            there, nowhere = ask(client, route, method, values, f"/c/{slug}"), ask(client, route, method, values, "/c/nowhere")
            if there != nowhere or there[0] != 404:
                told.append(f"{method} /c/{slug}/{route.pattern}: {there[0]}, {nowhere[0]}")

    assert told == []


@pytest.mark.parametrize(("who", "foreign"), [("iris", ("harbor", "elm")), ("omar", ("elm", "southgate")), ("tara", ("southgate",))])
def test_no_list_page_or_export_shows_a_row_of_another_tenant(world, who, foreign):
    member = world.cast.members[who]
    client, shown, answered = signed_in(member), [], 0
    marks = {str(target.value) for target in world.targets for name in foreign if target.tenant == getattr(world.cast, name).id}
    marks = {mark for mark in marks if len(mark) == 36} | {str(getattr(world.cast, name).id) for name in foreign}
    for route in (one for one in routes() if not one.row_parameters and "GET" in one.methods and one.pattern != "live"):
        answer = client.get(route.address({}))
        text = _content(answer)
        answered += answer.status_code == 200
        shown += [f"{route.pattern} shows {mark}" for mark in marks if mark in text]

    assert shown == []
    assert answered >= 15


def test_the_same_addresses_do_show_ones_own_rows(world):
    """Otherwise the walk would prove nothing."""
    client, own = signed_in(world.cast.tara), world.cast.harbor.id
    answers = {}
    for route in (one for one in routes() if one.row_parameters and "GET" in one.methods):
        answers[route.pattern] = ask(client, route, "GET", foreign_values(world, route, own))[0]

    # The rows are random values that fit their columns, so a page may find one senseless; most can be read.
    assert len([status for status in answers.values() if status == 200]) >= 8, answers


def test_nobody_reads_anything_without_signing_in(world):
    client = Client(headers={"host": "localhost", "accept": "text/html"}, raise_request_exception=False)
    open_to_all = []
    for route in routes():
        values = foreign_values(world, route, world.cast.harbor.id)
        for method in route.methods:
            status, _ = ask(client, route, method, values)
            if status != (401 if route.pattern.startswith("api/") or ".json" in route.pattern else 302):
                open_to_all.append(f"{method} {route.pattern}: {status}")

    assert open_to_all == []


def test_reading_every_page_changes_nothing(world):
    """Ledger leaves of refusals, sessions and their last use apart."""
    client = signed_in(world.cast.tara)
    before = _counts(world)
    for route in (one for one in routes() if "GET" in one.methods and one.pattern != "live"):
        ask(client, route, "GET", foreign_values(world, route, world.cast.harbor.id))

    assert _counts(world) == before


def test_what_people_type_is_in_no_header_of_the_ledger(world):
    """Everybody who may does everything, with a canary in every field; then the headers of all entries are searched."""
    logs = (world.cast.northwind, world.cast.harbor)
    before = {tenant.id: _last_entry(tenant.id) for tenant in logs}
    for who, scope in (("nadia", ""), ("nadia", "/c/harbor"), ("omar", "")):
        client = signed_in(world.cast.members[who])
        for route in routes():
            for method in set(route.methods) - {"GET"}:
                ask(client, route, method, foreign_values(world, route, world.cast.harbor.id), scope)

    headers = [header for tenant in logs for header in _headers(tenant.id, before[tenant.id])]
    assert [header for header in headers if CANARY in header] == []
    assert len(headers) >= 10


def _last_entry(tenant: UUID) -> int:
    with tenant_transaction(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM ledger_entry")
        return cursor.fetchone()[0]


def _headers(tenant: UUID, after: int) -> list[str]:
    with tenant_transaction(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT concat_ws(' ', act, actor, obj, out, via, extra::text) FROM ledger_entry WHERE id > %s", [after])
        return [header for (header,) in cursor.fetchall()]


def _counts(world: World) -> dict[str, tuple[int, ...]]:
    """Rows and the transaction that wrote each, for every walled table in the three tenants."""
    counts: dict[str, tuple[int, ...]] = {}
    for tenant in (world.cast.northwind, world.cast.harbor, world.cast.elm):
        with tenant_transaction(tenant.id), connection.cursor() as cursor:
            for table in sorted({target.table for target in world.targets if not target.table.startswith("ledger_")}):
                cursor.execute(f'SELECT count(*), coalesce(sum(xmin::text::bigint), 0) FROM "{table}"')
                counts[f"{tenant.slug}.{table}"] = cursor.fetchone()
    return counts
