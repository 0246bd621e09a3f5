"""Checks on encryption at rest, certificates, TLS and the modes of secrets (ENC-01, 02, 04 to 06)."""

from mainstay.domains.assurance.rules.checks.reading import (
    complete,
    flag,
    flag_or_none,
    rows,
    text,
    text_or_none,
    texts,
    whole,
    whole_or_none,
)
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

_BOOT = ("/boot", "/boot/efi", "/efi")  # what the firmware reads cannot be encrypted
DAYS_LEFT_MIN = 21
RSA_BITS_MIN = 2048
EC_BITS_MIN = 256
_DAY_S = 86_400


def enc_01(host: Host) -> Result:
    groups = ("disk_encryption",)
    body = host.group("disk_encryption")
    mounts = _data_mounts(body)
    if not mounts:
        raise NotKnown("nothing_seen", "disk_encryption")
    evidence = host.declared.get("disk_encryption_evidence")
    if isinstance(evidence, str) and evidence:
        return counted(
            "ENC-01", groups, total=len(mounts), failing=(), good=f"Encrypted below this host, as evidence shows: {evidence}.", bad=""
        )
    plain = [text(one, "mount") for one in mounts if flag(one, "encrypted") is False]
    good = f"All {len(mounts)} file systems with data lie on encrypted disks."
    return counted("ENC-01", groups, total=len(mounts), failing=plain, good=good, bad="Readable from the bare disk:")


def _data_mounts(body: JsonObject) -> list[JsonObject]:
    """Return the mounts with data, each device once (its shortest mount): a folder that is bound elsewhere is no second disk."""
    found: dict[str, JsonObject] = {}
    for one in sorted(rows(body, "mounts"), key=lambda row: (len(text(row, "mount")), text(row, "mount"))):
        if text(one, "mount") not in _BOOT and not text(one, "device").startswith("/dev/loop"):
            found.setdefault(text(one, "device"), one)
    return list(found.values())


def enc_02(host: Host) -> Result:
    swaps = rows(host.group("audit_mounts"), "swaps")
    if not swaps:
        return whether("ENC-02", ("audit_mounts",), problems=(), good="There is no swap.")
    if any(flag_or_none(one, "encrypted") is None for one in swaps):
        raise NotKnown("tool_missing", "audit_mounts")
    plain = [text(one, "device") for one in swaps if not flag(one, "encrypted")]
    good = f"All {len(swaps)} swap areas are encrypted."
    return counted("ENC-02", ("audit_mounts",), total=len(swaps), failing=plain, good=good, bad="Memory is written in the clear to")


def enc_04(host: Host) -> Result:
    now = int(host.as_of.timestamp())
    files = host.group("certificates")
    complete(files, "certificates")
    listeners = host.group("audit_tls")
    complete(listeners, "listeners")
    judged = [(text(one, "path"), _file_faults(one, now)) for one in rows(files, "certificates") if not flag(one, "is_ca")]
    judged += [(f"port {whole(one, 'port')}", _listener_faults(one, now)) for one in rows(listeners, "listeners") if flag(one, "tls")]
    if not judged:
        return not_applicable("ENC-04", ("certificates", "audit_tls"), "no_certificates", "No certificate is used here.")
    failing = [f"{name} ({', '.join(faults)})" for name, faults in judged if faults]
    good = f"All {len(judged)} certificates are sound for at least {DAYS_LEFT_MIN} days."
    return counted("ENC-04", ("certificates", "audit_tls"), total=len(judged), failing=failing, good=good, bad="Certificates to replace:")


def _file_faults(certificate: JsonObject, now: int) -> list[str]:
    return _time_faults(certificate, now) + _strength_faults(certificate)


def _listener_faults(listener: JsonObject, now: int) -> list[str]:
    chain = text(listener, "chain")
    faults = _time_faults(listener, now) + _strength_faults(listener)
    faults += [] if chain == "trusted" else ["signed by itself" if chain == "self_signed" else "not signed by a trusted authority"]
    return faults + ([] if texts(listener, "names") else ["names no host"])


def _time_faults(certificate: JsonObject, now: int) -> list[str]:
    begin, end = whole(certificate, "not_before"), whole(certificate, "not_after")
    if begin > end:
        raise NotKnown("contradictory", "not_before")
    days = (end - now) // _DAY_S
    if end < now:
        return ["ended"]
    return (["not valid yet"] if begin > now else []) + ([f"{days} days left"] if days <= DAYS_LEFT_MIN else [])


def _strength_faults(certificate: JsonObject) -> list[str]:
    kind, signature = text(certificate, "key_type"), text(certificate, "signature")
    bits = whole_or_none(certificate, "key_bits")
    least = {"rsa": RSA_BITS_MIN, "ec": EC_BITS_MIN}.get(kind)
    if kind == "other" or (least is not None and bits is None):
        raise NotKnown("parse_failed", "key_type")
    faults = [f"{kind.upper()} with {bits} bits"] if least is not None and bits is not None and bits < least else []
    return faults + ([f"signed with {signature.upper()}"] if signature in ("sha1", "md5") else [])


def enc_05(host: Host) -> Result:
    body = host.group("audit_tls")
    complete(body, "listeners")
    listeners = [one for one in rows(body, "listeners") if flag(one, "tls")]
    if not listeners:
        return not_applicable("ENC-05", ("audit_tls",), "no_tls_listener", "No local port speaks TLS.")
    if any(one.get("old_versions", 0) is None for one in listeners):
        raise NotKnown("timeout", "audit_tls")
    old = [f"port {whole(one, 'port')} ({', '.join(texts(one, 'old_versions'))})" for one in listeners if texts(one, "old_versions")]
    good = f"All {len(listeners)} TLS ports refuse TLS 1.0 and 1.1."
    return counted("ENC-05", ("audit_tls",), total=len(listeners), failing=old, good=good, bad="Old versions are accepted at")


def enc_06(host: Host) -> Result:
    body = host.group("audit_permissions")
    total, loose = whole(body, "checked"), rows(body, "loose")
    if not loose:
        complete(body, "loose")
    if total < max(1, len(loose)):
        raise NotKnown("contradictory", "audit_permissions")
    failing = [
        f"{text(one, 'path')} ({text_or_none(one, 'problem')}, mode {text(one, 'mode')}, owner {text(one, 'owner')})" for one in loose
    ]
    good = f"All {total} files with secrets are closed to others."
    return counted("ENC-06", ("audit_permissions",), total=total, failing=failing, good=good, bad="Open to others:")
