"""The pages and the API of estate and alerting as people meet them."""

import re

import pytest
from django.test import Client
from tests.support.cast import Member

from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.tests.conftest import Alerting

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def signed_in(member: Member) -> Client:
    """A browser in which somebody has signed in with a second factor."""
    client = Client(headers={"host": "localhost"})
    client.force_login(member.person, backend=BACKEND)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": 0}]
    session["account_authentication_methods_user"] = str(member.person.pk)
    session.save()
    return client


@pytest.fixture
def browser(alerting: Alerting) -> Client:
    return signed_in(alerting.cast.tara)


def text_of(answer: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.mark.parametrize("tab", ["", "software/", "network/", "history/"])
def test_a_device_has_a_page_with_tabs(alerting: Alerting, browser: Client, tab: str) -> None:
    alerting.fact("os", {"name": "Debian GNU/Linux 12", "id": "debian"})

    answer = browser.get(f"/c/harbor/devices/{alerting.device.id}/{tab}")

    assert answer.status_code == 200, text_of(answer)[:400]
    assert "harbor-dc1" in text_of(answer)


def test_the_list_of_devices_is_a_page_and_json(alerting: Alerting, browser: Client) -> None:
    assert "harbor-dc1" in text_of(browser.get("/c/harbor/devices/"))
    assert [row["name"] for row in browser.get("/c/harbor/devices.json").json()["items"]] == ["harbor-dc1"]


def test_an_alert_tells_what_to_do_and_why(alerting: Alerting, browser: Client) -> None:
    alert = alerting.fail()

    shown = text_of(browser.get(f"/c/harbor/alerts/{alert.id}/"))

    assert "nginx.service is failed." in shown
    assert "Restart the service" in shown
    assert "It stayed bad for as long as the rule waits." in shown


def test_an_alert_is_acknowledged_from_its_page(alerting: Alerting, browser: Client) -> None:
    alert = alerting.fail()

    answer = browser.post(f"/c/harbor/alerts/{alert.id}/acknowledge/")

    assert answer.status_code == 302, text_of(answer)[:400]
    assert Alert.objects.get(id=alert.id).acknowledged_by == alerting.cast.tara.person.pseudonym


def test_a_snooze_without_a_reason_is_shown_again(alerting: Alerting, browser: Client) -> None:
    alert = alerting.fail()

    answer = browser.post(f"/c/harbor/alerts/{alert.id}/snooze/", {"seconds": "3600", "reason": ""})

    assert answer.status_code == 422
    assert Alert.objects.get(id=alert.id).snoozed_until is None


def test_the_rules_in_force_have_a_page(browser: Client) -> None:
    assert "service.down" in text_of(browser.get("/alert-rules/"))


def test_a_code_is_shown_once_and_not_kept_by_a_cache(alerting: Alerting, browser: Client) -> None:
    answer = browser.post("/c/harbor/devices/add/", {"uses": "1", "hours": "1"})

    assert answer.status_code == 200, text_of(answer)[:400]
    assert answer["Cache-Control"] == "no-store"
    assert re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){4}", text_of(answer) + answer.content.decode())


def test_a_foreign_device_and_a_foreign_alert_are_not_there(alerting: Alerting) -> None:
    alert = alerting.fail()
    iris = signed_in(alerting.cast.iris)

    for address in (f"/devices/{alerting.device.id}/", f"/alerts/{alert.id}/", f"/devices/{alerting.device.id}/charts/cpu.json"):
        assert iris.get(address).status_code == 404
