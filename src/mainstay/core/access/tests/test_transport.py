"""TLS while it runs: certificates are renewed under a living listener, and browsers are told to stay."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from django.http import HttpResponse
from django.test import RequestFactory
from tests.support.installation import free_port

from mainstay.core.access import tls
from mainstay.core.access.renewal import Renewal
from mainstay.core.access.transport import HEADER, TransportMiddleware, is_loopback
from mainstay.kernel.clock import FixedClock, SystemClock

APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"well"})
"""


def test_a_certificate_over_two_thirds_of_its_life_is_renewed_and_the_listener_is_told_once(tmp_path: Path) -> None:
    clock, told = FixedClock(), []
    renewal = Renewal(tmp_path, ["box"], clock, lambda: told.append(clock.now()))
    key = renewal.look() or (tmp_path / "server.key").read_bytes()

    clock.at += timedelta(days=59)
    assert renewal.look() is False
    clock.at += timedelta(days=2)
    assert renewal.look() is True
    assert renewal.look() is False

    assert told == [clock.now()]
    assert (tmp_path / "server.key").read_bytes() == key


def test_a_running_listener_serves_the_new_certificate_after_it_was_told(listener: "Listener") -> None:
    before = listener.serial()

    tls.ensure_authority(listener.tls, names=[], clock=FixedClock(SystemClock().now() + timedelta(days=61)))
    os.kill(listener.process.pid, signal.SIGHUP)

    assert wait_until(lambda: listener.serial() not in (0, before))
    assert listener.process.poll() is None


@pytest.mark.parametrize(
    ("host", "over_tls", "expected"),
    [
        ("mainstay.example", True, "max-age=31536000"),
        ("mainstay.example:8443", True, "max-age=31536000"),
        ("mainstay.example", False, None),
        ("localhost:8443", True, None),
        ("127.0.0.1:8443", True, None),
        ("[::1]:8443", True, None),
    ],
)
def test_browsers_are_told_to_stay_on_tls_but_never_for_this_machine_s_own_names(host: str, over_tls: bool, expected: str | None) -> None:
    request = RequestFactory().get("/", secure=over_tls, headers={"host": host})

    response = TransportMiddleware(lambda _request: HttpResponse())(request)

    assert response.headers.get(HEADER) == expected


def test_names_below_localhost_are_this_machine_s_own() -> None:
    assert is_loopback("demo.localhost")
    assert not is_loopback("localhost.example")


def test_cookies_of_the_tls_listener_are_bound_to_it_and_those_of_loopback_are_not() -> None:
    names = ["SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE"]

    session, is_secure, csrf, is_csrf_secure = settings_of("tls", names)
    assert session.startswith("__Host-mainstay_")
    assert csrf.startswith("__Host-mainstay_csrf_")
    assert (is_secure, is_csrf_secure) == ("True", "True")

    session, is_secure, csrf, is_csrf_secure = settings_of("", names)
    assert session.startswith("mainstay_")
    assert (is_secure, is_csrf_secure) == ("False", "False")


def settings_of(listener: str, names: list[str]) -> list[str]:
    """The settings of a process of its own, as the supervisor starts it."""
    code = f"from mainstay.config import settings; print(*[getattr(settings, name) for name in {names!r}], sep=chr(10))"
    environ = {**os.environ, "MAINSTAY_LISTENER": listener}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


class Listener:
    """An ASGI server behind TLS, with the certificate of our own authority."""

    def __init__(self, folder: Path) -> None:
        self.tls, self.port = folder / "tls", free_port()
        authority = tls.ensure_authority(self.tls, names=[], clock=SystemClock())
        (folder / "served.py").write_text(APP)
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--ssl-certificate", str(authority.cert_path), "--ssl-keyfile", str(authority.key_path)]
        self.process = subprocess.Popen([*command, "--log-level", "error", "served:app"], cwd=folder)

    def serial(self) -> int:
        """The serial number of the certificate that a new connection sees; 0 while nothing listens."""
        try:
            pem = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=5)
        except OSError:
            return 0
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    try:
        assert wait_until(lambda: made.serial() != 0)
        yield made
    finally:
        made.process.terminate()
        made.process.wait(20)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 30) -> bool:
    """Ask a real process until it says yes, within bounds."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout_s:
        if is_so():
            return True
        time.sleep(0.1)
    return False
