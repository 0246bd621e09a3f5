"""The way in: link, password with authenticator app, recovery codes; no enumeration."""

import re

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from mainstay.core.access.bootstrap import bootstrap, make_link
from mainstay.core.access.models import OneTimeLink, Person
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.clock import SystemClock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("mainstay.core.access.tests.urls")]

PASSPHRASE = "seven slow herons over the quay"


@pytest.fixture(autouse=True)
def _fresh_limits():
    cache.clear()


@pytest.fixture
def link(tmp_path) -> str:
    bootstrap(SystemClock(), secrets_dir=tmp_path, host_name="northwind")
    return make_link(SystemClock(), "")


def browser() -> Client:
    return Client(headers={"host": "localhost"})


def signed_in_by(link: str) -> Client:
    client = browser()
    client.post(link, {"name": "Nadia", "login": "nadia"})
    return client


def totp_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def with_password_and_app(link: str) -> tuple[Client, str]:
    client = signed_in_by(link)
    assert client.post("/account/password/set/", {"password1": PASSPHRASE, "password2": PASSPHRASE}).status_code == 302
    page = client.get("/account/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    assert page.status_code == 200
    assert client.post("/account/2fa/totp/activate/", {"code": totp_of(secret)}).status_code == 302
    cache.clear()  # the code just used may be used again by the next sign-in of the test
    return client, secret


def test_looking_at_a_link_uses_nothing_up(link):
    assert browser().get(link).status_code == 200
    assert browser().head(link).status_code == 200
    assert OneTimeLink.objects.get().used_at is None


def test_one_press_of_the_button_signs_the_first_owner_in(link):
    client = browser()

    answer = client.post(link, {"name": "Nadia", "login": "nadia"})

    assert (answer.status_code, answer["Location"]) == (302, "/account/welcome/")
    assert client.get("/who").json()["roles"] == ["owner"]
    assert client.get("/account/welcome/").status_code == 200


def test_a_used_link_is_not_found(link):
    signed_in_by(link)

    assert browser().post(link, {"name": "Iris", "login": "iris"}).status_code == 404
    assert Person.objects.count() == 1


def test_a_link_does_not_work_from_another_machine(link):
    answer = Client(headers={"host": "localhost"}, REMOTE_ADDR="192.0.2.7").post(link, {"name": "Iris", "login": "iris"})

    assert (answer.status_code, Person.objects.count()) == (403, 0)


def test_a_link_session_stays_on_loopback(link):
    client = signed_in_by(link)

    assert client.get("/who").status_code == 200
    assert client.get("/who", REMOTE_ADDR="192.0.2.7").status_code == 403


def test_the_session_key_changes_at_sign_in(link):
    client = browser()
    client.get("/account/login/")
    session = client.session
    session["x"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key
    before = client.session.session_key

    client.post(link, {"name": "Nadia", "login": "nadia"})

    assert client.session.session_key != before


def test_the_session_cookie_is_closed_to_scripts_and_other_sites(link, settings):
    client = browser()
    cookie = client.post(link, {"name": "Nadia", "login": "nadia"}).cookies[settings.SESSION_COOKIE_NAME]

    assert (cookie["httponly"], cookie["samesite"], settings.SESSION_COOKIE_NAME.startswith("mainstay_")) == (True, "Lax", True)


def test_a_password_is_stored_with_argon2id(link):
    client = signed_in_by(link)
    client.post("/account/password/set/", {"password1": PASSPHRASE, "password2": PASSPHRASE})

    assert Person.objects.get().password.startswith("argon2$argon2id$")


def test_password_and_authenticator_app_sign_in(link):
    _, secret = with_password_and_app(link)
    client = browser()

    first = client.post("/account/login/", {"login": "nadia", "password": PASSPHRASE})
    assert (first.status_code, first["Location"]) == (302, "/account/2fa/authenticate/")
    assert client.get("/who").status_code == 302
    second = client.post("/account/2fa/authenticate/", {"code": totp_of(secret)})

    assert second.status_code == 302
    assert client.get("/who").json()["roles"] == ["owner"]


def test_a_code_of_the_app_works_once(link):
    _, secret = with_password_and_app(link)
    code = totp_of(secret)
    first, second = browser(), browser()
    for client in (first, second):
        client.post("/account/login/", {"login": "nadia", "password": PASSPHRASE})

    answers = [client.post("/account/2fa/authenticate/", {"code": code}).status_code for client in (first, second)]

    assert answers == [302, 200]
    assert second.get("/who").status_code == 302


def test_a_recovery_code_works_once(link):
    owner, _ = with_password_and_app(link)
    owner.post("/account/2fa/recovery-codes/generate/")
    page = owner.get("/account/2fa/recovery-codes/").content.decode()
    code = re.search(r"<textarea[^>]*>\s*(\S+)", page)[1]
    answers = []
    for _ in range(2):
        client = browser()
        client.post("/account/login/", {"login": "nadia", "password": PASSPHRASE})
        answers.append(client.post("/account/2fa/authenticate/", {"code": code}).status_code)

    assert answers == [302, 200]


def test_the_secret_of_an_app_is_sealed_in_the_database(link):
    _, secret = with_password_and_app(link)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        stored = " ".join(data for (data,) in cursor.fetchall())

    assert secret not in stored
    assert len(stored) > 100


def test_a_wrong_password_and_an_unknown_name_read_the_same(link):
    with_password_and_app(link)
    wrong = browser().post("/account/login/", {"login": "nadia", "password": "x" * 20})
    unknown = browser().post("/account/login/", {"login": "nobody", "password": "x" * 20})

    assert (wrong.status_code, _without_noise(wrong, "nadia")) == (unknown.status_code, _without_noise(unknown, "nobody"))


def _without_noise(answer, name: str) -> str:
    return re.sub(r'value="[^"]*"|content="[^"]*"', "", answer.content.decode()).replace(name, "")


def test_sign_ins_are_evidence(link):
    _, secret = with_password_and_app(link)
    home = Person.objects.get().home_id
    browser().post("/account/login/", {"login": "nadia", "password": "x" * 20})
    client = browser()
    client.post("/account/login/", {"login": "nadia", "password": PASSPHRASE})
    client.post("/account/2fa/authenticate/", {"code": totp_of(secret)})

    with tenant_transaction(home), connection.cursor() as cursor:
        cursor.execute("SELECT act, out FROM ledger_entry WHERE act LIKE 'access.session.%%' ORDER BY id")
        acts = cursor.fetchall()
    assert acts == [("access.session.opened", "ok"), ("access.session.refused", "refused"), ("access.session.opened", "ok")]


def test_guessing_is_slowed_down(link):
    with_password_and_app(link)
    client = browser()
    for _ in range(6):
        answer = client.post("/account/login/", {"login": "nadia", "password": "x" * 20})

    right = client.post("/account/login/", {"login": "nadia", "password": PASSPHRASE})
    assert answer.status_code in (200, 429)
    assert right.status_code != 302


def test_nobody_registers(db):
    assert b"added by people" in browser().get("/account/signup/").content
    browser().post("/account/signup/", {"username": "iris", "password1": PASSPHRASE, "password2": PASSPHRASE})

    assert Person.objects.count() == 0


@pytest.mark.parametrize(
    "password",
    ["short", "fourteen chars", "mainstaymainstaymainstay", "password password 1", "1234567890123456", "nadia nadia nadia nadia"],
)
def test_a_poor_password_is_refused(link, password):
    signed_in_by(link)

    with pytest.raises(ValidationError):
        validate_password(password, Person.objects.get())


def test_a_sentence_is_a_good_password(link):
    signed_in_by(link)

    validate_password(PASSPHRASE, Person.objects.get())


@pytest.mark.parametrize(
    "address",
    [
        "/account/login/",
        "/account/welcome/",
        "/account/2fa/",
        "/account/2fa/totp/activate/",
        "/account/2fa/webauthn/add/",
        "/account/2fa/webauthn/",
        "/account/password/set/",
        "/account/sessions/",
        "/account/reauthenticate/",
        "/account/2fa/recovery-codes/generate/",
        "/account/logout/",
    ],
)
def test_pages_of_the_account_render_without_inline_script_or_style(link, address):
    if address == "/account/login/":
        client = browser()
    elif address == "/account/reauthenticate/":
        client, _ = with_password_and_app(link)
    else:
        client = signed_in_by(link)

    answer = client.get(address)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", text) == []
    assert re.findall(r"\sstyle=|<style|\son[a-z]+=|javascript:", text) == []
