"""The installation's own authority, judged by OpenSSL itself."""

import hashlib
import socket
import ssl
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mainstay.core.access.tls import SERVER_FOR, ensure_authority
from mainstay.kernel.clock import FixedClock, SystemClock
from mainstay.kernel.errors import Invalid


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Shake hands in memory of this machine; returns the TLS version."""
    here, there = socket.socketpair()
    failures: list[Exception] = []

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(here, server_hostname=name) as secured:
            return secured.version() or ""
    finally:
        here.close()
        thread.join(timeout=10)
        there.close()


def contexts(authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.cert_path, authority.key_path)
    return server, ssl.create_default_context(cadata=authority.ca_pem)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "mainstay.lan", "192.0.2.4"])
def test_a_client_that_trusts_the_authority_reaches_every_name(tmp_path, name):
    server, client = contexts(ensure_authority(tmp_path, names=["mainstay.lan", "192.0.2.4"], clock=SystemClock()))

    assert handshake(server, client, name) in ("TLSv1.2", "TLSv1.3")


def test_another_name_is_refused(tmp_path):
    server, client = contexts(ensure_authority(tmp_path, names=["mainstay.lan"], clock=SystemClock()))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "bank.example")


def test_a_client_that_does_not_know_the_authority_refuses(tmp_path):
    server, _ = contexts(ensure_authority(tmp_path, names=[], clock=SystemClock()))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(), "localhost")


def test_the_authority_vouches_for_its_names_only_and_for_no_other_authority(tmp_path):
    authority = ensure_authority(tmp_path, names=["mainstay.lan"], clock=FixedClock())
    ca = x509.load_pem_x509_certificate(authority.ca_pem.encode())

    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    names = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert (basic.value.ca, basic.value.path_length, basic.critical, names.critical) == (True, 0, True, True)
    assert {str(one.value) for one in names.value.permitted_subtrees} == {"localhost", "127.0.0.1/32", "::1/128", "mainstay.lan"}


def test_a_second_call_changes_nothing(tmp_path):
    first = ensure_authority(tmp_path, names=["mainstay.lan"], clock=FixedClock())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert ensure_authority(tmp_path, names=["mainstay.lan"], clock=FixedClock()) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_server_certificate_is_renewed_after_two_thirds_and_its_pin_stays(tmp_path):
    clock = FixedClock()
    first = ensure_authority(tmp_path, names=[], clock=clock)
    clock.forward(days=59)
    early = ensure_authority(tmp_path, names=[], clock=clock)
    clock.forward(days=2)
    late = ensure_authority(tmp_path, names=[], clock=clock)

    assert early == first
    assert (late.ca_pem, late.spki_sha256) == (first.ca_pem, first.spki_sha256)
    assert late.not_after - first.not_after == timedelta(days=61)
    assert late.not_after == clock.now() + SERVER_FOR


def test_keys_are_readable_by_their_owner_only(tmp_path):
    ensure_authority(tmp_path, names=[], clock=FixedClock())

    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("ca.key", "server.key", "ca.pem")] == [0o600, 0o600, 0o644]


def test_the_pin_is_the_hash_of_the_servers_public_key(tmp_path):
    authority = ensure_authority(tmp_path, names=[], clock=FixedClock())
    certificate = x509.load_pem_x509_certificate(authority.cert_path.read_bytes())

    from_certificate = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert authority.spki_sha256 == hashlib.sha256(from_certificate).hexdigest()


@pytest.mark.parametrize("name", ["", "*.lan", "a b", "https://x", ".lan", "bücher.example"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(Invalid):
        ensure_authority(tmp_path, names=[name], clock=FixedClock())


def test_a_damaged_certificate_is_made_anew(tmp_path):
    first = ensure_authority(tmp_path, names=[], clock=FixedClock())
    first.cert_path.write_text("nonsense")

    assert ensure_authority(tmp_path, names=[], clock=FixedClock()).spki_sha256 == first.spki_sha256
