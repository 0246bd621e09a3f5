"""The installation's own certificate authority and the server certificate of the TLS listener.

Owns: the files in `tls/`, how long a certificate lives, when it is renewed. Does not own: the listener, ACME, or a
certificate that the owner brings.
Invariant: the authority can vouch only for the names it was made for, and never for another authority.
Source: security page, section 2 rule 23; RFC 5280 section 4.2.1 (basic and name constraints).
"""

import hashlib
import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid

AUTHORITY_FOR = timedelta(days=3650)
SERVER_FOR = timedelta(days=90)
# A clock that is a little behind must not refuse a certificate made a minute ago.
_BEFORE = timedelta(minutes=10)

CA_KEY, CA_CERT, SERVER_KEY, SERVER_CERT = "ca.key", "ca.pem", "server.key", "server.pem"


@dataclass(frozen=True)
class Authority:
    """What a listener and a joining agent need to know. `spki_sha256` pins the server's key, which outlives its certificates."""

    ca_pem: str
    ca_path: Path
    cert_path: Path
    key_path: Path
    spki_sha256: str
    not_after: datetime


def ensure_authority(folder: Path, *, names: Sequence[str], clock: Clock) -> Authority:
    """Make or renew what is missing, over two thirds of its life, or lacks one of the names. Run it at start and daily.

    Names are host names and addresses; localhost and the loopback addresses are always among them. A name outside the
    authority's constraints makes a new authority, which every joined machine then has to be told: choose names once.
    Errors: Invalid("access.tls_name_invalid").
    """
    wanted = _general_names(["localhost", "127.0.0.1", "::1", *names])
    at = clock.now()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key = _key(folder / CA_KEY)
    ca = _load(folder / CA_CERT)
    if ca is None or not _permits(ca, wanted) or ca.public_key() != ca_key.public_key() or is_due(ca, at):
        ca = _make_authority(ca_key, wanted, at)
        _write(folder / CA_CERT, _pem(ca), 0o644)
    key = _key(folder / SERVER_KEY)
    server = _load(folder / SERVER_CERT)
    if server is None or not _is_current(server, ca, key, wanted, at):
        server = _make_server(key, ca_key, ca, wanted, at)
        _write(folder / SERVER_CERT, _pem(server) + _pem(ca), 0o644)
    return Authority(
        ca_pem=_pem(ca).decode("ascii"),
        ca_path=folder / CA_CERT,
        cert_path=folder / SERVER_CERT,
        key_path=folder / SERVER_KEY,
        spki_sha256=hashlib.sha256(_spki(key)).hexdigest(),
        not_after=server.not_valid_after_utc,
    )


def is_due(certificate: x509.Certificate, at: datetime) -> bool:
    """Tell whether two thirds of a certificate's life are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return at >= begin + (end - begin) * 2 / 3


def _is_current(
    server: x509.Certificate, ca: x509.Certificate, key: ec.EllipticCurvePrivateKey, wanted: Sequence[x509.GeneralName], at: datetime
) -> bool:
    held = set(server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return server.public_key() == key.public_key() and server.issuer == ca.subject and set(wanted) <= held and not is_due(server, at)


def _make_authority(key: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName], at: datetime) -> x509.Certificate:
    # The serial makes a replaced authority tell apart from its forerunner in a trust store.
    serial = x509.random_serial_number()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Mainstay local authority {serial:x}"[:40])])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(at - _BEFORE)
        .not_valid_after(at + AUTHORITY_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=_subtrees(names), excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _make_server(
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    names: Sequence[x509.GeneralName],
    at: datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mainstay server")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _BEFORE)
        .not_valid_after(min(at + SERVER_FOR, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or name.startswith((".", "*")) or not name.isascii() or any(char.isspace() or char in "/:" for char in name):
        raise Invalid("access.tls_name_invalid", f"{name!r} is neither a host name nor an address.", name=name)
    return x509.DNSName(name)


def _subtrees(names: Iterable[x509.GeneralName]) -> list[x509.GeneralName]:
    """A permitted address is a network of one."""
    return [x509.IPAddress(ipaddress.ip_network(name.value)) if isinstance(name, x509.IPAddress) else name for name in names]


def _permits(ca: x509.Certificate, names: Iterable[x509.GeneralName]) -> bool:
    permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    return set(_subtrees(names)) <= set(permitted)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key, or draw it once. Errors: Invalid when the file holds another kind of key."""
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        encoded = fresh.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(path, encoded, 0o600)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Invalid("access.tls_key_invalid", f"{path} holds no ECDSA key.")
    return key


def _load(path: Path) -> x509.Certificate | None:
    """Return the first certificate of a file; None when there is none or it cannot be read, so that it is made anew."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once, so that a listener that starts meanwhile reads the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
