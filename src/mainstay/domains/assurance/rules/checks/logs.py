"""Checks on time and logs (LOG-01 to 03)."""

from mainstay.domains.assurance.rules.checks.reading import flag, flag_or_none, part, part_or_none, text, texts, whole_or_none
from mainstay.domains.assurance.rules.checks.verdicts import unknown, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result

OFFSET_MS_MAX = 100
SILENT_S_MAX = 900
_AUDITED = ("identity", "sudo", "time", "modules")
_NO_SERVICE = "No program keeps the clock right."


def log_01(host: Host) -> Result:
    body = host.group("timesync")
    if text(body, "service") == "none":
        return whether("LOG-01", ("timesync",), problems=(_NO_SERVICE,), good="")
    synchronised, offset = flag_or_none(body, "synchronised"), whole_or_none(body, "offset_ms")
    if synchronised is None:
        raise NotKnown("tool_missing", "timesync")
    problems = [] if synchronised else ["The clock is not synchronised."]
    if offset is not None and abs(offset) >= OFFSET_MS_MAX:
        problems.append(f"The clock is {offset} ms off.")
    return whether("LOG-01", ("timesync",), problems=problems, good=f"The clock is kept by {text(body, 'service')}.")


def log_02(host: Host) -> Result:
    body = part(host.group("audit_logging"), "auditd")
    if not flag(body, "installed"):
        return whether("LOG-02", ("audit_logging",), problems=("The audit daemon is not installed.",), good="")
    enabled, lost = whole_or_none(body, "enabled"), whole_or_none(body, "lost")
    if enabled is None or lost is None:
        raise NotKnown("denied", "audit_logging")
    covered = texts(body, "covers")
    problems = [] if enabled in (1, 2) else ["Auditing is switched off."]
    problems += [f"{lost} audit records were lost."] if lost else []
    problems += [f"No rule records changes of {subject}." for subject in _AUDITED if subject not in covered]
    return whether("LOG-02", ("audit_logging",), problems=problems, good="Identities, rules, time and modules are recorded.")


def log_03(host: Host) -> Result:
    body = host.group("audit_logging")
    journal, syslog = part_or_none(body, "journald"), part_or_none(body, "syslog")
    is_kept = (journal is not None and flag(journal, "persistent")) or (syslog is not None and flag(syslog, "running"))
    if not is_kept:
        return whether("LOG-03", ("audit_logging",), problems=("Logs are lost at each restart.",), good="")
    received = host.declared.get("logs_received_at")
    if isinstance(received, bool) or not isinstance(received, int):
        return unknown("LOG-03", ("audit_logging",), "no_log_source", "Logs are kept here; whether they reach the server is not known.")
    age_s = int(host.as_of.timestamp()) - received
    if age_s < -SILENT_S_MAX:
        raise NotKnown("contradictory", "audit_logging")
    problems = [f"The newest line at the server is {age_s // 60} minutes old."] if age_s > SILENT_S_MAX else []
    return whether("LOG-03", ("audit_logging",), problems=problems, good="Logs are kept here and arrive at the server.")
