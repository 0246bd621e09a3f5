"""Certificates in the places where servers keep them.

Owns: group certificates: which folders are searched, how PEM files are split.
Does not own: certificates that a port presents (a probe's work).
Invariant: private keys are never read further than to see that they are none of ours.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterator

from mainstay_agent.facts.value import Fields
from mainstay_agent.host.der import Certificate, key_and_signature, parse_certificate
from mainstay_agent.host.machine import Machine

FOLDERS = (
    "etc/ssl",
    "etc/pki/tls",
    "etc/letsencrypt/live",
    "etc/nginx",
    "etc/apache2",
    "etc/httpd",
    "etc/haproxy",
    "etc/postfix",
    "etc/dovecot",
    "etc/exim4",
    "etc/openvpn",
    "etc/mosquitto",
    "etc/mysql",
    "etc/postgresql",
    "etc/ldap",
    "etc/caddy",
    "etc/traefik",
    "etc/cockpit/ws-certs.d",
)
_BUNDLE_FOLDERS = ("etc/ssl/certs",)
_SUFFIXES = (".pem", ".crt", ".cer", ".cert", ".chain")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL)
FILES_MAX = 2000
CERTIFICATES_MAX = 500
PER_FILE_MAX = 20  # a file with more is a bundle of authorities, not a server's certificate
DEPTH_MAX = 4


def certificates(machine: Machine) -> Fields:
    found: list[Fields] = []
    scanned = 0
    for name in _files(machine):
        if scanned >= FILES_MAX or len(found) >= CERTIFICATES_MAX:
            return {"certificates": [*found], "files_scanned": scanned, "truncated": True}
        scanned += 1
        found += _of_file(machine, name)
    return {"certificates": [*found], "files_scanned": scanned, "truncated": False}


def _files(machine: Machine) -> Iterator[str]:
    for folder in FOLDERS:
        base = machine.path(folder)
        for where, folders, names in os.walk(base):
            relative = os.path.relpath(where, machine.root)
            if relative.startswith(_BUNDLE_FOLDERS) or relative.count("/") > DEPTH_MAX:
                folders.clear()
            is_bundle = relative.startswith(_BUNDLE_FOLDERS)
            # In the folder of authorities, a link leads to the distribution's bundle; a real file was put there by a person.
            yield from (
                f"{relative}/{name}"
                for name in sorted(names)
                if name.endswith(_SUFFIXES) and not (is_bundle and _is_of_bundle(where, name))
            )


def _is_of_bundle(where: str, name: str) -> bool:
    return os.path.islink(os.path.join(where, name)) or name == "ca-certificates.crt"


def _of_file(machine: Machine, name: str) -> list[Fields]:
    try:
        blocks = list(_blocks(machine.read(name)))
    except OSError:
        return []
    if len(blocks) > PER_FILE_MAX:
        return []
    return [_fields(f"/{name}", position, data, certificate) for position, (data, certificate) in enumerate(blocks)]


def parse_pem(text: str) -> list[Certificate]:
    """Return the certificates of a PEM text in order; a block that does not parse is left out."""
    return [certificate for _, certificate in _blocks(text)]


def _blocks(text: str) -> Iterator[tuple[bytes, Certificate]]:
    for block in _PEM.findall(text):
        try:
            data = base64.b64decode(block)
            yield data, parse_certificate(data)
        except (ValueError, binascii.Error, StopIteration, IndexError):
            continue


def _fields(path: str, position: int, data: bytes, certificate: Certificate) -> Fields:
    kind, bits, curve, signature = key_and_signature(data)
    return {
        "path": path,
        "position": position,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "names": [*certificate.names],
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "sha256": certificate.sha256,
        "is_ca": certificate.is_ca,
        "key_type": kind,
        "key_bits": bits,
        "curve": curve,
        "signature": signature,
    }
