"""A strict reader of X.509 certificates, as far as expiry and names need it.

Owns: tag, length and value of DER; validity, subject, issuer, alternative names of one certificate.
Does not own: signatures and trust: nothing is verified here, it is an inventory.
Invariant: bytes that are not exactly one well-formed certificate raise ValueError; nothing is guessed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

_SEQUENCE, _SET, _INTEGER, _OID, _UTC_TIME, _GENERAL_TIME, _OCTETS = 0x30, 0x31, 0x02, 0x06, 0x17, 0x18, 0x04
_NAMES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
}
_SUBJECT_ALT_NAME, _BASIC_CONSTRAINTS = b"\x55\x1d\x11", b"\x55\x1d\x13"
NAMES_MAX = 100


@dataclass(frozen=True, slots=True)
class Certificate:
    subject: str
    issuer: str
    serial: str
    not_before: int
    not_after: int
    names: tuple[str, ...]
    is_ca: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    value: bytes


def parse_certificate(data: bytes) -> Certificate:
    """Read one DER certificate. Source: RFC 5280 section 4.1. Errors: ValueError."""
    outer = _only(data, _SEQUENCE)
    body = list(_elements(_expect(next(_elements(outer.value)), _SEQUENCE).value))
    if body and body[0].tag == 0xA0:
        body.pop(0)  # version; absent in version 1
    if len(body) < 6:
        raise ValueError("a certificate has at least six fields")
    serial, _algorithm, issuer, validity, subject = body[:5]
    before, after = list(_elements(_expect(validity, _SEQUENCE).value))[:2]
    extensions = dict(_extensions(body[5:]))
    return Certificate(
        subject=_name(subject),
        issuer=_name(issuer),
        serial=_expect(serial, _INTEGER).value.hex(),
        not_before=_time(before),
        not_after=_time(after),
        names=tuple(_alternative_names(extensions.get(_SUBJECT_ALT_NAME)))[:NAMES_MAX],
        is_ca=_is_ca(extensions.get(_BASIC_CONSTRAINTS)),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def public_key_info(data: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, byte for byte: what a pin is the hash of."""
    outer = _only(data, _SEQUENCE)
    body = list(_elements(_expect(next(_elements(outer.value)), _SEQUENCE).value))
    field = body[6 if body and body[0].tag == 0xA0 else 5]
    return _encoded(_expect(field, _SEQUENCE))


_RSA, _EC, _ED25519 = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2b6570")
_CURVES = {
    bytes.fromhex("2a8648ce3d030101"): ("P-192", 192),
    bytes.fromhex("2b81040021"): ("P-224", 224),
    bytes.fromhex("2a8648ce3d030107"): ("P-256", 256),
    bytes.fromhex("2b81040022"): ("P-384", 384),
    bytes.fromhex("2b81040023"): ("P-521", 521),
}
_SIGNATURES = {
    bytes.fromhex("2a864886f70d010104"): "md5",
    bytes.fromhex("2a864886f70d010105"): "sha1",
    bytes.fromhex("2a864886f70d01010b"): "sha256",
    bytes.fromhex("2a864886f70d01010c"): "sha384",
    bytes.fromhex("2a864886f70d01010d"): "sha512",
    bytes.fromhex("2a864886f70d01010a"): "pss",
    bytes.fromhex("2a8648ce3d0401"): "sha1",
    bytes.fromhex("2a8648ce3d040302"): "sha256",
    bytes.fromhex("2a8648ce3d040303"): "sha384",
    bytes.fromhex("2a8648ce3d040304"): "sha512",
    _ED25519: "ed25519",
}


def key_and_signature(data: bytes) -> tuple[str, int | None, str | None, str]:
    """Return kind and size of a certificate's key, its curve, and the hash of its signature. Source: RFC 3279, 4055, 5480, 8410."""
    algorithm, key = list(_elements(next(_elements(public_key_info(data))).value))[:2]
    kind, *parameters = list(_elements(algorithm.value))
    signed_with = list(_elements(_only(data, _SEQUENCE).value))[1]
    signature = _SIGNATURES.get(next(_elements(signed_with.value)).value, "other")
    if kind.value == _RSA:
        numbers = list(_elements(_only(key.value[1:], _SEQUENCE).value))
        return "rsa", int.from_bytes(numbers[0].value, "big").bit_length(), None, signature
    if kind.value == _EC and parameters:
        curve, bits = _CURVES.get(parameters[0].value, (None, None))
        return "ec", bits, curve, signature
    return ("ed25519", 256, None, signature) if kind.value == _ED25519 else ("other", None, None, signature)


def _encoded(element: _Element) -> bytes:
    size = len(element.value)
    if size < 0x80:
        return bytes([element.tag, size]) + element.value
    width = (size.bit_length() + 7) // 8
    return bytes([element.tag, 0x80 | width]) + size.to_bytes(width, "big") + element.value


def _elements(data: bytes) -> Iterator[_Element]:
    at = 0
    while at < len(data):
        tag, length, start = _header(data, at)
        if start + length > len(data):
            raise ValueError("a DER element is longer than its container")
        yield _Element(tag, data[start : start + length])
        at = start + length


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise ValueError("truncated DER or a tag of several bytes")
    first = data[at + 1]
    if first < 0x80:
        return data[at], first, at + 2
    count = first & 0x7F
    if not 1 <= count <= 3 or at + 2 + count > len(data):
        raise ValueError("a DER length that no certificate has")
    return data[at], int.from_bytes(data[at + 2 : at + 2 + count], "big"), at + 2 + count


def _only(data: bytes, tag: int) -> _Element:
    elements = list(_elements(data))
    if len(elements) != 1:
        raise ValueError("bytes after the certificate")
    return _expect(elements[0], tag)


def _expect(element: _Element, tag: int) -> _Element:
    if element.tag != tag:
        raise ValueError(f"DER tag {tag:#x} expected, {element.tag:#x} found")
    return element


def _name(element: _Element) -> str:
    parts: list[str] = []
    for relative in _elements(_expect(element, _SEQUENCE).value):
        for pair in _elements(_expect(relative, _SET).value):
            oid, value = list(_elements(pair.value))[:2]
            if oid.value in _NAMES:
                encoding = "utf-16-be" if value.tag == 0x1E else "utf-8"
                parts.append(f"{_NAMES[oid.value]}={value.value.decode(encoding, 'replace')}")
    return ", ".join(parts)


def _time(element: _Element) -> int:
    """Read UTCTime or GeneralizedTime. Source: RFC 5280 section 4.1.2.5: two-digit years from 50 on are of the last century."""
    text = element.value.decode("ascii")
    if element.tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif element.tag != _GENERAL_TIME:
        raise ValueError("not a time")
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp())


def _extensions(fields: list[_Element]) -> Iterator[tuple[bytes, bytes]]:
    for field in (field for field in fields if field.tag == 0xA3):
        for extension in _elements(_only(field.value, _SEQUENCE).value):
            parts = list(_elements(_expect(extension, _SEQUENCE).value))
            yield _expect(parts[0], _OID).value, _expect(parts[-1], _OCTETS).value


def _alternative_names(value: bytes | None) -> Iterator[str]:
    for name in _elements(_only(value, _SEQUENCE).value) if value else ():
        if name.tag in (0x82, 0x81, 0x86):
            yield name.value.decode("ascii", "replace")
        elif name.tag == 0x87 and len(name.value) in (4, 16):
            yield str(ip_address(name.value))


def _is_ca(value: bytes | None) -> bool:
    elements = list(_elements(_only(value, _SEQUENCE).value)) if value else []
    return bool(elements) and elements[0].tag == 0x01 and elements[0].value != b"\x00"
