"""Each finding with what was seen, why it matters, how to close it, and the evidence that it was so."""

import re
from typing import Final

from mainstay.domains.assurance.rules.document.words import (
    SEVERITY_TONES,
    Block,
    blocks_of,
    cut,
    day,
    facts,
    instant,
    minutes,
    note,
    plural,
    tag,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

CHANGES: Final = {
    "new": "new in this audit",
    "known": "known before",
    "returned": "closed before and back again",
    "changed": "changed since the last audit",
}
# A step is a sentence, a line to type, or a sentence that ends in one: `Lock it now: passwd -l NAME`.
_PROGRAM: Final = (
    r"(?:aa-\w+|aideinit|apt|apt-get|auditctl|augenrules|chage|chattr|chmod|chown|chronyc|crontab|cryptsetup|dnf|dpkg|dpkg-reconfigure|find|findmnt|"
    r"gpasswd|grep|groupdel|journalctl|loginctl|mainstay|mdadm|mkdir|mokutil|mount|mv|needrestart|nft|nmcli|openssl|pam-auth-update|passwd|restorecon|"
    r"rm|rpm|sed|setfacl|ss|ssh-keygen|sshd|stat|sudo|swapoff|swapon|sysctl|systemctl|timedatectl|touch|ufw|umount|update-grub|useradd|userdel|"
    r"usermod|visudo|wipefs)"
)
_STEP: Final = re.compile(rf"(?P<lead>[A-Z][^:]*: )?(?P<command>{_PROGRAM}(?: .*?)?)(?P<tail> \([a-z].*\)|, (?:or|then) .*)?")
_EXCERPT_ROWS_MAX: Final = 6
_EVIDENCE_MAX: Final = 6


def compose(report: JsonObject) -> list[Block]:
    """Return all findings, worst first as the report orders them."""
    found = blocks_of(report["findings"])
    if not found:
        return [note("No finding is open. What could not be judged is listed under Method.", tone="ok")]
    return [_counts(found), *map(block, found)]


def block(one: JsonObject) -> Block:
    """Return one finding as a block of the document."""
    severity, given = text(one["severity"]), blocks_of(one["evidence"])
    return {
        "type": "finding",
        "id": text(one["id"]),
        "check": text(one["check"]),
        "title": text(one["title"]),
        "severity": severity,
        "tone": SEVERITY_TONES[severity],
        "sentences": _sentences(one),
        "steps_title": f"To close it, about {minutes(whole(one['effort_min']))}"
        + (f", or by the runbook {text(one['runbook'])}" if one["runbook"] else ""),
        "steps": [step(each) for each in texts_of(one["fix"])],
        "evidence": [_proof(each) for each in given[:_EVIDENCE_MAX]],
        "more": f"{plural(len(given) - _EVIDENCE_MAX, 'more source')}: all are in the JSON." if len(given) > _EVIDENCE_MAX else "",
        "facts": _facts(one),
    }


def step(said: str) -> JsonObject:
    """Return a step with its line to type apart, so that it may be copied alone."""
    found = _STEP.fullmatch(said)
    if not found:
        return {"text": said, "command": "", "tail": ""}
    return {"text": (found["lead"] or "").strip(), "command": found["command"], "tail": (found["tail"] or "").strip(", ")}


def _counts(found: list[JsonObject]) -> Block:
    tally = [(severity, sum(one["severity"] == severity for one in found)) for severity in SEVERITY_TONES]
    rows: list[Json] = [
        {"label": severity, "value": str(count), "note": "open", "tone": SEVERITY_TONES[severity]} for severity, count in tally if count
    ]
    return {"type": "figures", "items": rows}


def _sentences(one: JsonObject) -> list[Json]:
    said = [("Seen.", text(one["seen"])), ("Why it matters.", text(one["why"])), ("Where.", _where(view(one["subjects"])))]
    return [[name, value] for name, value in [*said, ("Accepted.", _exception(view(one["exception"])))] if value]


def _where(subjects: JsonObject) -> str:
    names = cut(texts_of(subjects.get("list")))
    count, of = whole(subjects.get("count")), whole(subjects.get("of"))
    return f"{count:,} of {of:,}: {names}" if of > 1 else names


def _exception(given: JsonObject) -> str:
    if not given:
        return ""
    reason, until = text(given["reason"]).rstrip("."), day(text(given["until"]))
    return f"{reason}. Taken by {text(given['by_name'])} until {until}; it still counts in the score."


def _proof(each: JsonObject) -> JsonObject:
    rows = text(each["excerpt"]).splitlines()
    more = len(rows) - _EXCERPT_ROWS_MAX
    shown = rows[:_EXCERPT_ROWS_MAX] + ([f"… {plural(more, 'more line')}"] if more > 0 else [])
    where = f"{text(each['device'])}, {instant(text(each['collected_at']))}, by {text(each['collector'])}, group {text(each['group'])}"
    source = f"{where}. SHA-256 of the raw output:"
    return {"command": text(each["command"]), "excerpt": shown, "source": source, "sha256": text(each["raw_sha256"])}


def _facts(one: JsonObject) -> list[Json]:
    wanted = [f"{text(each['framework'])} {text(each['id'])}" for each in blocks_of(one["requirements"])]
    return facts(
        (
            ("Controls", cut(texts_of(one["controls"]))),
            ("Supports", cut(wanted, 10)),
            ("First seen", day(text(one["first_seen"]))),
            ("", CHANGES.get(text(one["change"]), "")),
            ("Due", day(text(one["due"]))),
            ("Owner", text(one["owner_name"]) or "nobody yet"),
            ("Ticket", text(one["ticket"])),
            ("Id", text(one["id"])),
        )
    )


def severity_tag(severity: str) -> JsonObject:
    return tag(severity, SEVERITY_TONES.get(severity, "neutral"))
