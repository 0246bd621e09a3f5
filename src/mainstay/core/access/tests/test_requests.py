"""The scope of a request: actor, tenant, transaction, errors."""

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from tests.support.cast import Cast, Member

from mainstay.core.access import refusals, sessions
from mainstay.core.access.bootstrap import bootstrap
from mainstay.core.access.models import Assignment, Grant, Person, Tenant, Token
from mainstay.core.access.services import create_token
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.clock import SystemClock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("mainstay.core.access.tests.urls")]

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def signed_in(member: Member, *, factor: bool = True, csrf: bool = False) -> Client:
    client = Client(enforce_csrf_checks=csrf, headers={"host": "localhost"})
    client.force_login(member.person, backend=BACKEND)
    if factor:
        session = client.session
        session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": 0}]
        session["account_authentication_methods_user"] = str(member.person.pk)
        session.save()
    return client


def with_token(member: Member, cast: Cast, **limits) -> Client:
    with tenant_transaction(member.actor.tenant):
        _, text = create_token(actor=member.actor, label="test", clock=SystemClock(), **limits)
    return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})


def entries(tenant: Tenant, act: str) -> list[str]:
    with tenant_transaction(tenant.id), connection.cursor() as cursor:
        cursor.execute("SELECT actor FROM ledger_entry WHERE act = %s ORDER BY id", [act])
        return [actor for (actor,) in cursor.fetchall()]


def test_reading_is_read_only_and_sees_every_readable_tenant(cast):
    answer = signed_in(cast.tara).get("/who").json()

    assert (answer["tenant"], answer["read_only"]) == (str(cast.northwind.id), "on")
    assert answer["scope"] == sorted(str(one.id) for one in (cast.northwind, cast.harbor, cast.elm, cast.quay))


def test_a_client_in_the_address_narrows_to_that_client(cast):
    answer = signed_in(cast.tara).get("/c/harbor/who").json()

    assert (answer["tenant"], answer["scope"]) == (str(cast.harbor.id), [str(cast.harbor.id)])


def test_addresses_built_in_a_scope_keep_the_scope(cast):
    client = signed_in(cast.tara)

    assert client.get("/c/harbor/who").json()["here"] == "/c/harbor/who"
    assert client.get("/who").json()["here"] == "/who"


def test_writing_binds_one_tenant_and_no_scope(cast):
    answer = signed_in(cast.tara).post("/c/harbor/who").json()

    assert (answer["tenant"], answer["read_only"], answer["scope"]) == (str(cast.harbor.id), "off", [])


def test_a_foreign_client_answers_like_one_that_does_not_exist(cast):
    client = signed_in(cast.iris)
    foreign, missing = client.get("/c/harbor/who"), client.get("/c/nowhere/who")

    assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert missing.status_code == 404


def test_reading_cannot_write(cast):
    client = signed_in(cast.tara)
    client.raise_request_exception = False

    assert client.get("/write").status_code == 500
    assert entries(cast.northwind, "access.test.written") == []


def test_an_error_of_ours_undoes_the_change_and_keeps_its_status(cast):
    answer = signed_in(cast.nadia).post("/fail", headers={"accept": "application/json"})

    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert answer.json() == {
        "type": "urn:mainstay:access.test_conflict",
        "title": "Changed in the meantime",
        "status": 409,
        "detail": "The world moved on.",
        "code": "access.test_conflict",
        "pointer": "slug",
    }
    assert not Tenant.objects.filter(slug="mill").exists()


def test_an_answer_of_422_has_changed_nothing(cast):
    answer = signed_in(cast.nadia).post("/invalid")

    assert (answer.status_code, Tenant.objects.filter(slug="mill").count()) == (422, 0)


def test_an_answer_of_200_has_changed_something(cast):
    assert signed_in(cast.nadia).post("/client").status_code == 200
    assert Tenant.objects.filter(slug="mill").count() == 1


def test_what_is_down_says_when_to_try_again(cast):
    answer = signed_in(cast.tara).get("/down", headers={"accept": "application/json"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_refusal_is_evidence_although_its_transaction_is_gone(cast):
    answer = signed_in(cast.paul).post("/client", headers={"accept": "application/json"})

    assert (answer.status_code, answer.json()["policy"], answer.json()["helps"]) == (403, "access.default_deny", ["admin"])
    assert entries(cast.harbor, "access.decision.refused") == [cast.paul.person.pseudonym]


def test_a_refusal_while_reading_is_evidence_too(cast):
    assert signed_in(cast.paul).get("/refused", headers={"accept": "application/json"}).status_code == 403
    assert entries(cast.harbor, "access.decision.refused") == [cast.paul.person.pseudonym]


def test_more_than_a_hundred_refusals_a_minute_fold_into_one(clock):
    fold = refusals.Fold()
    counted = [fold.count("p:x", clock.now()) for _ in range(250)]
    later = fold.count("p:x", clock.forward(seconds=60))

    assert (sum(one.is_written for one in counted), later) == (100, refusals.Count(is_written=True, folded=150))


def test_a_stream_holds_no_transaction(cast):
    answer = signed_in(cast.tara).get("/stream")

    assert b"".join(answer.streaming_content) == b"False"


def test_the_agent_endpoint_binds_by_itself(db):
    assert Client().post("/agent/v1/poll").json() == {"actor": False, "atomic": False}


def test_nobody_is_sent_to_the_sign_in_page_and_back(db):
    answer = Client(headers={"host": "localhost"}).get("/who?a=1")

    assert (answer.status_code, answer["Location"]) == (302, "/account/login/?next=/who%3Fa%3D1")


def test_a_program_without_credentials_is_told_so(db):
    answer = Client(headers={"host": "localhost"}).get("/api/v1/who")

    assert (answer.status_code, answer["WWW-Authenticate"], answer.json()["code"]) == (401, "Bearer", "access.sign_in_needed")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "169.254.169.254"])
def test_a_foreign_host_header_is_refused(cast, host):
    client = signed_in(cast.tara)

    assert client.get("/who", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_names_are_answered(cast, host):
    assert signed_in(cast.tara).get("/who", headers={"host": host}).status_code == 200


def test_a_token_acts_as_its_owner_within_its_limits(cast):
    client = with_token(cast.tara, cast, actions=["access.tenant.read"])
    answer = client.get("/api/v1/who").json()

    assert (answer["ref"], answer["via"], answer["roles"]) == (cast.tara.person.pseudonym, "api", ["technician_3"])
    assert client.post("/client").status_code == 403


def test_a_cookie_never_widens_a_token(cast):
    narrow = with_token(cast.clara, cast).defaults["HTTP_AUTHORIZATION"]

    answer = signed_in(cast.nadia).get("/api/v1/who", headers={"authorization": narrow}).json()

    assert answer["ref"] == cast.clara.person.pseudonym


@pytest.mark.parametrize("change", ["revoked", "expired", "disabled", "mistyped", "elsewhere", "basic"])
def test_a_token_that_is_no_longer_good_opens_nothing(cast, change):
    client = with_token(cast.tara, cast)
    text = client.defaults["HTTP_AUTHORIZATION"]
    now = SystemClock().now()
    if change == "revoked":
        Token.objects.update(revoked_at=now)
    elif change == "expired":
        Token.objects.update(expires_at=now)
    elif change == "disabled":
        Person.objects.filter(id=cast.tara.person.id).update(is_active=False)
    elif change == "elsewhere":
        Token.objects.update(networks=["192.0.2.0/24"])
    elif change == "mistyped":
        text = text[:-1] + ("0" if text[-1] != "0" else "1")
    else:
        text = text.replace("Bearer", "Basic")

    answer = client.get("/api/v1/who", headers={"authorization": text})

    # A disabled owner's token is still a token, but reaches nothing.
    assert (answer.status_code, answer.json().get("roles")) in ((401, None), (200, []))
    assert answer.status_code == (200 if change == "disabled" else 401)


def test_the_local_command_line_acts_as_owner(clock, tmp_path):
    bootstrap(SystemClock(), secrets_dir=tmp_path)
    text = (tmp_path / "cli-token").read_text().strip()

    answer = Client(headers={"host": "localhost", "authorization": f"Bearer {text}"}).get("/api/v1/who").json()

    assert (answer["ref"], answer["via"], answer["roles"]) == ("s:cli", "cli", ["owner"])


def test_a_session_without_csrf_token_changes_nothing_also_under_api(cast):
    client = signed_in(cast.nadia, csrf=True)

    assert client.post("/api/v1/who", headers={"accept": "application/json"}).status_code == 403
    assert client.get("/api/v1/who").status_code == 200


def test_a_token_needs_no_csrf_token(cast):
    client = with_token(cast.tara, cast)
    client.handler.enforce_csrf_checks = True

    # Django's own check exempts API views only; the router of the API marks them so.
    assert client.get("/api/v1/who").status_code == 200


def test_a_password_alone_is_not_enough_for_staff(cast):
    client = signed_in(cast.tara, factor=False)

    page, program = client.get("/who"), client.get("/api/v1/who")

    assert (page.status_code, page["Location"]) == (302, "/account/2fa/")
    assert (program.status_code, program.json()["code"]) == (403, "access.factor_missing")


def test_a_password_alone_is_enough_for_an_end_user(cast):
    assert signed_in(cast.paul, factor=False).get("/who").status_code == 200


def test_a_disabled_person_is_out_at_the_next_request(cast):
    client = signed_in(cast.paul)
    assert client.get("/who").status_code == 200

    Person.objects.filter(id=cast.paul.person.id).update(is_active=False)

    assert client.get("/who").status_code == 302


def test_an_ended_role_is_gone_at_the_next_request(cast):
    client = signed_in(cast.paul)
    assert client.get("/who").json()["roles"] == ["end_user"]

    Assignment.objects.filter(person=cast.paul.person).update(until_at=SystemClock().now())

    assert client.get("/who").json()["roles"] == []


def test_an_ended_grant_is_gone_at_the_next_request(cast):
    client = signed_in(cast.tara)
    assert client.get("/c/harbor/who").status_code == 200

    Grant.objects.filter(person=cast.tara.person, into=cast.harbor).update(ended_at=SystemClock().now())

    assert client.get("/c/harbor/who").status_code == 404


@pytest.mark.parametrize(("mark", "limit"), [(sessions.SEEN, sessions.IDLE_MAX), (sessions.OPENED, sessions.ABSOLUTE_MAX)])
def test_a_session_ends_by_idleness_and_by_age(cast, mark, limit):
    client = signed_in(cast.tara)
    client.get("/who")
    session = client.session
    session[mark] -= limit.total_seconds() + 1
    session.save()

    assert client.get("/who").status_code == 302
    assert not Session.objects.filter(session_key=session.session_key).exists()


def test_what_a_page_reloads_by_itself_does_not_keep_a_session_alive(cast):
    client = signed_in(cast.tara)
    client.get("/who")
    session = client.session
    session[sessions.SEEN] -= 600
    session.save()
    before = session[sessions.SEEN]

    client.get("/who", headers={"sec-fetch-dest": "empty"})
    assert client.session[sessions.SEEN] == before
    client.get("/who", headers={"sec-fetch-dest": "document"})
    assert client.session[sessions.SEEN] > before
