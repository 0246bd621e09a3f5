"""Runs the verifier on bytes in memory."""

from mainstay_trust import pack
from mainstay_verify import mainstay_verify as verifier

from .packs import policy

AUDITOR = verifier.parse_policy(policy(), "--policy")


def judge(entries_or_bytes, given=AUDITOR):
    data = entries_or_bytes if isinstance(entries_or_bytes, bytes) else pack.zip_bytes(entries_or_bytes)
    report = verifier.Report()
    try:
        verifier.verify_pack(data, given, report)
    except verifier.Malformed as problem:
        report.add(problem.entry, problem.reason, verifier.MALFORMED)
    return verifier.as_json(report)
