"""The ways in, in a real browser: a passkey of a virtual authenticator, and a password with an authenticator app.

Each test has a person of its own: a new password ends every other session of its owner, as it should.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.support.installation import Installation, wait_for

PASSPHRASE = "seven slow herons over the quay"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
STEP_S = 30


@dataclass
class Person:
    """Somebody at a browser of their own, with a device that holds passkeys."""

    context: BrowserContext
    page: Page
    url: str
    device: CDPSession
    authenticator: str
    login: str

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def passkeys(self) -> int:
        found = self.device.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return len(found["credentials"])

    def is_in(self) -> bool:
        self.open("/")
        return "/account/" not in self.page.url

    def sign_out(self) -> None:
        self.context.clear_cookies()
        assert not self.is_in()


@pytest.fixture
def sam(mainstay: Installation, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody new, signed in by the link of their invitation."""
    context = browser.new_context()
    page = context.new_page()
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    made = device.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    # An address has no passkeys: they belong to a name.
    url = str(mainstay.json("status")["url"]).replace("127.0.0.1", "localhost")
    person = Person(context, page, url, device, made["authenticatorId"], f"sam-{request.node.name[:20]}")
    by_link(person, mainstay)
    yield person
    context.close()


def by_link(person: Person, mainstay: Installation) -> None:
    added = mainstay.json("do", "access", "person", "add", "name=Sam Okoro", f"login={person.login}", "role=technician_2")
    person.page.goto(f"{person.url}/hello/{added['link']}")
    person.page.get_by_role("button").first.click()
    person.page.wait_for_url(lambda address: "/hello/" not in address)


def test_a_passkey_is_registered_signs_in_alone_and_is_removed(sam: Person, mainstay: Installation) -> None:
    page = sam.open("/account/2fa/webauthn/add/")
    page.get_by_label("Name").fill("laptop")
    passwordless = page.get_by_label("Passwordless")
    if passwordless.count():
        passwordless.check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(lambda address: "/add/" not in address)
    assert sam.passkeys() == 1

    sam.sign_out()
    page = sam.open("/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(lambda address: "/account/" not in address)
    assert sam.is_in()

    sam.open("/account/2fa/webauthn/")
    page.get_by_role("link", name="Remove").click()
    page.wait_for_url("**/account/2fa/reauthenticate/**")  # a change of factors asks for one again
    page.get_by_text("Use a security key").click()
    page.wait_for_url("**/webauthn/reauthenticate/**")
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url("**/remove/")
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url(lambda address: "/remove/" not in address)
    sam.sign_out()
    refused = sam.open("/account/login/")
    refused.get_by_role("button", name="Sign in with a passkey").click()

    # The device still holds its half; the server no longer knows the other.
    expect(refused.get_by_role("main").get_by_text("Incorrect code")).to_be_visible()
    assert not sam.is_in()


def test_a_password_needs_the_app_too_and_a_code_counts_once(sam: Person) -> None:
    page = sam.open("/account/password/set/")
    page.locator("input[name=password1]").fill(PASSPHRASE)
    page.locator("input[name=password2]").fill(PASSPHRASE)
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url(lambda address: "/password/set/" not in address)
    sam.open("/account/2fa/totp/activate/")
    secret = secret_on(page)
    page.locator("input[name=code]").fill(code_of(secret, 0))
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url(lambda address: "/totp/activate/" not in address)

    sam.sign_out()
    code = code_of(secret, 1)  # the step after the one that activation used up
    give_password(sam)
    assert "/2fa/authenticate/" in page.url
    assert not sam.is_in()
    sam.open("/account/2fa/authenticate/")
    give_code(page, code)
    page.wait_for_url(lambda address: "/account/" not in address)
    assert sam.is_in()

    sam.sign_out()
    give_password(sam)
    give_code(page, code)

    expect(page.get_by_text("Incorrect code")).to_be_visible()
    assert not sam.is_in()


def give_password(person: Person) -> None:
    page = person.open("/account/login/")
    page.locator("input[name=login]").fill(person.login)
    page.locator("input[name=password]").fill(PASSPHRASE)
    page.get_by_role("button", name="Sign in with a password").click()
    page.wait_for_url("**/account/2fa/authenticate/**")


def give_code(page: Page, code: str) -> None:
    page.locator("input[name=code]").fill(code)
    page.locator("main").get_by_role("button").first.click()


def secret_on(page: Page) -> str:
    """The secret that the app would read from the picture stands beside it for those who type."""
    found = page.locator("#authenticator_secret")
    return found.input_value() if found.count() else page.locator("code").first.inner_text()


def code_of(secret: str, steps_ahead: int) -> str:
    """The code of the authenticator app for this step or a later one, once that step is the present one for the server."""
    wanted = wait_for(lambda: _step() + steps_ahead, timeout_s=1, what="the present step")
    if steps_ahead:
        wait_for(lambda: True if _step() >= wanted else None, timeout_s=STEP_S + 5, what="the next step of the code", every_s=0.5)
    return str(format_hotp_value(hotp_value(secret, wanted)))


def _step() -> int:
    return int(time.time()) // STEP_S
