"""A report as the audit writes it: a small law firm with a server, a health-record host and a laptop; or as many findings as asked."""

import hashlib

from mainstay.domains.assurance.rules.catalogue import CATALOGUE
from mainstay_trust import canonical

AS_OF = "2026-11-20T09:30:00.000Z"
HOSTS = ("harbor-dc1", "elm-ehr1", "quay-pc7", "harbor-web1")
AREAS = ("access", "network", "encryption", "patches", "logging", "system", "integrity", "backup", "health", "integration", "governance")
COLUMNS = ("identity", "leaver", "inventory", "monitoring", "logs", "backup", "patch", "ticket", "cost")
_ROWS = (
    ("NET-04", "critical", "sshd -T -C user=root,host=h,addr=127.0.0.1", "permitrootlogin yes", 20),
    ("ACC-02", "critical", "getent shadow", "1 account of class: empty", 10),
    ("PAT-02", "high", "apt list --upgradable", "openssl 3.0.15-1~deb12u1 -> 3.0.16-1~deb12u1", 30),
    ("NET-03", "high", "nft -j list ruleset", '{"nftables":[]}', 45),
    ("NET-05", "high", "sshd -T -C user=root,host=h,addr=127.0.0.1", "passwordauthentication yes", 20),
    ("ACC-06", "high", "visudo -c", "%sudo ALL=(ALL:ALL) NOPASSWD: ALL", 15),
    ("ENC-06", "high", "stat -c %a:%U:%n /etc/ssl/private/web.key", "644:root:/etc/ssl/private/web.key", 10),
    ("BCK-03", "high", "protection sets of the continuity domain", "0 of 2 sets proven", 120),
    ("LOG-03", "high", "journalctl --header", "Storage=volatile", 15),
    ("ENC-01", "high", "lsblk -J -o NAME,TYPE,FSTYPE,MOUNTPOINTS", "/dev/nvme0n1p2 ext4 /", 180),
    ("SYS-06", "high", "cron and timers of root", "/opt/backup/run.sh 0777", 15),
    ("GOV-02", "high", "answers of people", "no entry", 480),
    ("ACC-04", "medium", "lastlog --time 90", "2 accounts", 20),
    ("ACC-07", "medium", "pam_pwquality, pam_faillock", "minlen=8", 25),
    ("LOG-01", "medium", "timedatectl show", "NTPSynchronized=no", 10),
    ("LOG-02", "medium", "auditctl -s", "No such file or directory", 60),
    ("PAT-04", "medium", "uname -r", "6.1.0-25 running, 6.1.0-28 installed", 20),
    ("SYS-02", "medium", "aa-status --json", "profiles: 0", 40),
    ("HLT-01", "medium", "journalctl -k", "Out of memory: Killed process 812 (java)", 60),
    ("ITG-01", "medium", "integration matrix", "quay-pc7: backup", 45),
    ("NET-08", "medium", "sysctl -n net.ipv4.conf.all.accept_redirects", "1", 10),
    ("ENC-02", "medium", "cat /proc/swaps", "/dev/dm-1 partition", 30),
    ("SYS-01", "low", "sysctl -n kernel.kptr_restrict", "0", 10),
    ("SYS-03", "low", "/proc/self/mounts", "tmpfs /tmp rw", 15),
    ("GOV-09", "low", "ledger witnesses", "W1", 30),
)
_WHY = "Whoever guesses or steals one password owns the whole machine, and with it the files of every client on it."


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def finding(number):
    check, severity, command, excerpt, effort_min = _ROWS[number % len(_ROWS)]
    host = HOSTS[number % len(HOSTS)] if number < len(_ROWS) else f"node-{number:04}"
    return {
        "id": f"f:{check}:{digest(host)[:8]}{number:04}",
        "check": check,
        "version": 1,
        "severity": severity,
        "title": CATALOGUE[check].problem,
        "subjects": {"count": 1 + number % 3, "of": 3 + number % 3, "list": [host, "node-a", "node-b"][: 1 + number % 3]},
        "seen": f"{host}: {excerpt}",
        "evidence": [
            {
                "command": command,
                "raw_sha256": digest(command + host),
                "excerpt": excerpt,
                "collected_at": "2026-11-20T09:29:51.000Z",
                "collector": "mainstay-agent 0.1.0",
                "group": "audit_ssh",
                "group_sha256": digest(host),
                "device": host,
            }
        ],
        "why": _WHY,
        "fix": ["Open /etc/ssh/sshd_config.", "Set PermitRootLogin prohibit-password.", "systemctl reload ssh", "Run the audit again."],
        "runbook": "restart_service" if number % 4 == 0 else None,
        "effort_min": effort_min,
        "controls": ["AC-17", "SC-8"],
        "requirements": [
            {"framework": "hipaa", "id": "164.312(e)(1)", "kind": "required", "strength": "supports"},
            {"framework": "csf", "id": "PR.AA-05", "kind": "standard", "strength": "partial"},
        ],
        "first_seen": "2026-10-20T09:30:00.000Z",
        "owner": "p:k2" if number % 3 else "",
        "owner_name": "Clara" if number % 3 else "",
        "area": "access",
        "failing": [],
        "due": "2026-11-27",
        "exception": _exception() if number == 6 else None,
        "ticket": 1042 if number == 2 else None,
        "change": ("known", "new", "returned", "changed")[number % 4],
    }


def _exception():
    return {
        "reason": "The machine is replaced in December.",
        "by": "p:k2",
        "by_name": "Clara",
        "at": "2026-11-01T00:00:00Z",
        "until": "2026-12-31",
    }


def _item(number, found):
    stage = {"critical": "now", "high": "next", "medium": "then", "low": "later"}[found["severity"]]
    return {
        "id": f"r:{found['check']}:{number}",
        "check": found["check"],
        "stage": stage,
        "title": CATALOGUE[found["check"]].title,
        "steps": found["fix"][:3],
        "owner": found["owner"],
        "owner_name": found["owner_name"],
        "due": found["due"],
        "effort_min": found["effort_min"],
        "cost": {"amount_minor": found["effort_min"] * 200, "currency": "USD"} if number % 2 else None,
        "gain": {"minutes_per_year": 120 if number == 2 else None},
        "closes": [found["id"]],
        "requirements": ["hipaa:164.312(e)(1)"],
        "after": [],
        "lifecycle": "implement",
        "deadline": {"date": "2026-12-31", "source": "the cyber insurance contract, clause 4"} if number == 3 else None,
        "risk": 90,
        "key": 3000 - number,
        "score_after": min(100, 62 + number),
    }


def _device(name, role, system):
    return {
        "id": digest(name)[:8],
        "name": name,
        "kind": "device",
        "role": role,
        "os": system,
        "exposure": "internal",
        "data": "confidential",
        "tier": 3,
        "owner": "",
        "addresses": ["10.0.0.7"],
        "assumed": ["exposure"],
    }


def _matrix_row(name, number):
    states = ("connected", "possible", "not_needed", "unknown", "not_possible")
    return {
        "system": name,
        "cells": {
            column: {
                "state": states[(number * 3 + place) % 5],
                "last": "2026-11-20T09:29:00.000Z" if (number * 3 + place) % 5 == 0 else None,
                "rule": "data class",
            }
            for place, column in enumerate(COLUMNS)
        },
    }


def report(findings=25, *, is_demo=False):
    found = [finding(number) for number in range(findings)]
    roadmap = [_item(number, each) for number, each in enumerate(found)]
    return {
        "v": 1,
        "kind": "system_audit",
        "run": "01990000-0000-7000-8000-000000000001",
        "tenant": "00000000-0000-7000-8000-000000000001",
        "scope": {"kind": "client", "id": "00000000-0000-7000-8000-000000000001", "name": "Harbor Law LLP"},
        "as_of": AS_OF,
        "window": {"from": "2026-10-21T09:30:00.000Z", "to": AS_OF},
        "demo": is_demo,
        "software": {"mainstay": "0.1.0", "catalogue": digest("catalogue")[:16]},
        "answer": {
            "score": 59,
            "score_with_accepted": 64,
            "grade": "D",
            "coverage": {"judged": 231, "applicable": 264, "pct": 87},
            "caps": [{"cap": "critical_open", "at": 59}],
            "witness": "W1",
            "summary": [
                "Since the last audit three weaknesses were closed and the score rose by 6 points: the journal of two machines is kept.",
                "Two got worse: root can log in to harbor-dc1 with a password, and elm-ehr1 lacks updates. Next: the five steps below.",
            ],
            "worst": [each["id"] for each in found[:5]],
            "first": [each["id"] for each in roadmap[:5]],
            "money": {"roadmap_cost": None, "effort_min": 1335, "why": "Nobody has given an hourly rate, so no cost is shown."},
        },
        "map": {
            "devices": [_device(name, "laptop" if name == "quay-pc7" else "server", "Debian 12") for name in HOSTS],
            "services": [
                {"device": "harbor-dc1", "unit": "slapd.service", "state": "running", "what": "OpenLDAP"},
                {"device": "elm-ehr1", "unit": "postgresql.service", "state": "failed", "what": "PostgreSQL RDBMS"},
            ],
            "software": {"packages": 1612, "outside_packages": ["/opt/backup/run.sh", "/usr/local/bin/scan"]},
            "listeners": [
                {"device": "harbor-dc1", "protocol": "tcp", "port": 22, "address": "*", "process": "sshd", "package": "openssh-server"},
                {"device": "elm-ehr1", "protocol": "tcp", "port": 5432, "address": "::", "process": "postgres", "package": "postgresql-15"},
            ],
            "dependencies": [
                {"from": "quay-pc7", "to": "harbor-dc1", "port": 389, "process": "sssd", "seen": 41},
                {"from": "harbor-dc1", "to": "elm-ehr1", "port": 5432, "process": "sync", "seen": 3},
                {"from": "harbor-web1", "to": "elm-ehr1", "port": 5432, "process": "gunicorn", "seen": 17},
                {"from": "harbor-web1", "to": "203.0.113.9", "port": 443, "process": "gunicorn", "seen": 5},
            ],
            "data_stores": [{"device": "elm-ehr1", "kind": "database", "what": "postgres", "seen_as": "listener", "backed_up": False}],
            "single_points": [{"what": "elm-ehr1", "why": "others_depend_on_it", "affects": ["harbor-dc1", "harbor-web1"]}],
            "watched_by": [{"device": name, "state": "connected", "rule": "agent"} for name in HOSTS],
            "protected_by": [{"device": name, "state": "possible", "rule": "holds data"} for name in HOSTS],
        },
        "areas": [
            {
                "area": area,
                "score": 40 + 5 * number,
                "previous": 45 + 4 * number if number % 3 else None,
                "checks": 9,
                "passed": 5,
                "failed": 3,
                "unknown": 1,
            }
            for number, area in enumerate(AREAS)
        ],
        "checks": [
            {
                "id": row[0],
                "version": 1,
                "title": CATALOGUE[row[0]].title,
                "severity": row[1],
                "verdict": "fail",
                "subjects": [{"device": "d", "name": "harbor-dc1", "verdict": "fail", "passed": 0, "total": 1, "reason": ""}],
            }
            for row in _ROWS
        ],
        "findings": found,
        "not_looked_at": [
            {"check": "DOM-01", "reason": "no_source", "subjects": 0},
            {"check": "INT-01", "reason": "running", "subjects": 2},
        ],
        "matrix": {"columns": list(COLUMNS), "rows": [_matrix_row(name, number) for number, name in enumerate(HOSTS)]},
        "frameworks": [
            {
                "id": "hipaa",
                "name": "HIPAA Security Rule",
                "version": "2013",
                "requirements": [
                    {
                        "id": "164.312(a)(1)",
                        "kind": "required",
                        "title": "Let in only those who may be in",
                        "state": "not_met",
                        "checks": ["ACC-01", "ACC-02"],
                    },
                    {
                        "id": "164.312(a)(2)(iv)",
                        "kind": "addressable",
                        "title": "Encrypt what lies on disks",
                        "state": "partly",
                        "checks": ["ENC-01"],
                    },
                    {
                        "id": "164.312(b)",
                        "kind": "required",
                        "title": "Record what happens in systems",
                        "state": "met",
                        "checks": ["LOG-02"],
                    },
                    {
                        "id": "164.308(a)(3)(ii)(A)",
                        "kind": "addressable",
                        "title": "Authorise people and watch over them",
                        "state": "no_evidence",
                        "checks": [],
                    },
                ],
                "counts": {"met": 1, "partly": 1, "not_met": 1, "no_evidence": 1},
            }
        ],
        "automation": [
            {
                "id": "a:1",
                "kind": "AUT-01",
                "title": "Print spooler stopped on a server",
                "cases": 14,
                "minutes_per_year": 560,
                "upper_bound": True,
                "measured": "Minutes run from the start of a ticket to its resolution: an upper bound of the work.",
                "runbook": "restart_service",
            },
            {
                "id": "a:2",
                "kind": "AUT-04",
                "title": "apt upgrade typed by hand",
                "cases": 5,
                "minutes_per_year": 240,
                "upper_bound": True,
                "runbook": None,
            },
        ],
        "roadmap": roadmap,
        "health": [
            {"sign": "crashes", "answer": "no", "number": 0, "of": 4, "next": ""},
            {"sign": "slowness", "answer": "unknown", "number": 0, "of": 4, "next": "Needs 24 hours of data."},
            {"sign": "security", "answer": "yes", "number": 12, "of": 4, "next": "Begin with the five steps of the answer."},
            {"sign": "data_loss", "answer": "yes", "number": 2, "of": 4, "next": "Prove one restore."},
            {"sign": "nobody_responsible", "answer": "yes", "number": 3, "of": 4, "next": "Name an owner for three systems."},
        ],
        "changes": {
            "against": "01980000-0000-7000-8000-000000000001",
            "new": [each["id"] for each in found[1:2]],
            "fixed": ["f:LOG-05:aa"],
            "returned": [each["id"] for each in found[2:3]],
            "changed": [each["id"] for each in found[3:4]],
        },
        "method": {
            "populations": {"devices": 4, "systems": 4, "checks": 80, "judged": 231, "applicable": 264},
            "unknowns": [{"reason": "running", "count": 2}],
            "exceptions": [{"finding": each["id"], **each["exception"]} for each in found if each["exception"]],
            "assumptions": ["Runbooks take no minutes of a person per subject."],
        },
        "proofs": {
            "log": "mainstay.aaaaaaaaaaaaaaaa/t/00000000-0000-7000-8000-000000000001/1",
            "facts": [
                {"device": name, "group": "audit_ssh", "sha256": digest(name), "collected_at": "2026-11-20T09:29:51.000Z"} for name in HOSTS
            ],
            "checkpoint_size": None,
        },
    }


def report_bytes(**more):
    return canonical.encode(report(**more))
