"""The groups of the System Audit: parsers, what counts as open, what never leaves the machine, when sweeps run."""

import base64
import json
import os
import stat
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.facts import connections
from mainstay_agent.facts.audit import accounts, files, kernel, logs, pressure, privilege, remote, services, tls, updates
from mainstay_agent.facts.audit.looking import EXCERPT_MAX, Look, shorten
from mainstay_agent.facts.catalogue import GROUPS
from mainstay_agent.facts.groups import collect
from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.net.inventory import ASK_MAX, Inventory
from mainstay_agent.net.spool import Spool
from tests.agent.test_facts import machine, put

NOW_MS = 1_767_225_600_000
PEOPLE = {"tara", "%sudo", "ALL"}
SWEEPS = {name for name, group in GROUPS.items() if group.is_sweep}


@pytest.mark.parametrize(
    ("hashed", "kind"),
    [
        ("$y$j9T$salt$hash", "yescrypt"), ("$6$salt$hash", "sha512"), ("$5$salt$hash", "sha256"), ("$2b$12$hash", "bcrypt"),
        ("$1$salt$hash", "md5"),
        ("ab8xLyFyoR5Wo", "des"), ("$argon2id$v=19$x", "argon2"), ("$9$x", "other"), ("*", None), ("", None),
    ],
)  # fmt: skip
def test_a_hash_is_known_by_its_kind_only(hashed: str, kind: str | None) -> None:
    assert accounts.hash_class(hashed) == kind


def test_accounts_are_sent_without_their_hashes_and_a_locked_one_keeps_its_kind(tmp_path: Path) -> None:
    put(tmp_path, "etc/passwd", "root:x:0:0::/root:/bin/bash\ntara:x:1001:1001::/home/tara:/bin/bash\nold::1002:1002::/:/bin/sh\n")
    put(tmp_path, "etc/shadow", "root:*:19000:0:99999:7:::\ntara:!$1$salt$verysecret:19000:0:99999:7:::\n")
    put(tmp_path, "etc/login.defs", "UID_MIN 1000\n")

    fact = collect("audit_accounts", machine(tmp_path))

    assert fact.value is not None
    assert "verysecret" not in json.dumps(fact.value)
    rows: Any = fact.value["accounts"]
    root, tara, old = rows
    assert (root["person"], tara["password"], tara["hash"], old["password"]) == (False, "locked", "md5", "empty")
    assert fact.value["unknown"] == {"last_login": "not_supported"}


def test_without_root_the_accounts_are_unknown(tmp_path: Path) -> None:
    put(tmp_path, "etc/passwd", "root:x:0:0::/root:/bin/bash\n")

    assert collect("audit_accounts", machine(tmp_path, is_root=False)).unknown == "needs_helper"


def test_the_newest_sign_in_of_lastlog_and_wtmp_counts(tmp_path: Path) -> None:
    record = struct.pack("<h2xi32s4s32s256s2hiii16s20s", 7, 1, b"pts/0", b"", b"tara", b"", 0, 0, 0, 2_000, 0, b"", b"")
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/wtmp").write_bytes(record)
    (tmp_path / "var/log/lastlog").write_bytes(struct.pack("=i32s256s", 0, b"", b"") + struct.pack("=i32s256s", 3_000, b"", b""))

    found = accounts.last_logins(machine(tmp_path), "root:x:0:0::/root:/bin/sh\nomar:x:1:1::/:/bin/sh\ntara:x:1001:1::/:/bin/sh\n")

    assert found == {"tara": 2_000, "omar": 3_000}


def test_the_size_of_an_rsa_key_is_that_of_its_modulus() -> None:
    modulus = b"\0" + (1 << 2047).to_bytes(256, "big")
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-rsa", b"\1\0\1", modulus))
    line = f'from="10.0.0.0/8",no-pty ssh-rsa {base64.b64encode(blob).decode()} tara@elm\n# ssh-rsa AAAA none\n'

    (key,) = accounts.parse_keys(line)

    assert (key["line"], key["type"], key["bits"]) == (1, "ssh-rsa", 2048)
    assert str(key["fingerprint"]).startswith("SHA256:")


def test_only_everything_without_a_password_is_everything_without_a_password() -> None:
    text = (
        "Defaults env_reset\n%sudo ALL=(ALL:ALL) ALL\ntara ALL=(ALL) NOPASSWD: /usr/bin/uptime, \\\n  /usr/bin/id\n"
        "tara ALL=(ALL) NOPASSWD: ALL\nbackup ALL=(root) NOPASSWD: ALL\n"
    )

    found = privilege.parse_rules(text, "/etc/sudoers", PEOPLE)

    assert [(one["line"], one["who"], one["person"], one["nopasswd"] and one["all"]) for one in found] == [
        (2, "%sudo", True, False),
        (3, "tara", True, False),
        (5, "tara", True, True),
        (6, "backup", False, True),
    ]


def test_a_script_is_open_when_a_folder_above_it_is(tmp_path: Path) -> None:
    put(tmp_path, "etc/cron.d/nightly", "5 2 * * * root /opt/jobs/run.sh --quiet\n")
    put(tmp_path, "opt/jobs/run.sh", "#!/bin/sh\n")
    (tmp_path / "opt/jobs").chmod(0o777)
    (tmp_path / "opt/jobs/run.sh").chmod(0o755)

    fact = privilege.root_paths(machine(tmp_path))

    named = {str(one["path"]): one["mode"] for one in fact["writable"]}  # type: ignore[index,union-attr,call-overload]
    assert named.get("/opt/jobs") == "0777"


def test_a_units_arguments_are_data_unless_an_interpreter_runs_them(tmp_path: Path) -> None:
    put(tmp_path, "etc/systemd/system/a.service", "[Service]\nExecStart=/usr/bin/python3 /srv/a.py --out /var/lib/a\n")
    put(tmp_path, "etc/systemd/system/b.service", "[Service]\nExecStart=-/usr/sbin/b /etc/b.conf\n")
    put(tmp_path, "etc/systemd/system/c.service", "[Service]\nUser=web\nExecStart=/srv/c\n")

    found = {path for via, path in privilege._units(machine(tmp_path))}

    assert {"/usr/bin/python3", "/srv/a.py", "/usr/sbin/b"} <= found
    assert not {"/etc/b.conf", "/srv/c"} & found


def test_settings_of_ssh_are_the_first_of_each_word() -> None:
    assert remote.parse_settings("permitrootlogin no\npermitrootlogin yes\nhostkey /x\nmaxauthtries 6\n") == {
        "permitrootlogin": "no",
        "maxauthtries": "6",
    }


def test_the_last_mount_on_a_folder_is_the_one_that_is_seen() -> None:
    found = files.parse_mounts("tmpfs /tmp tmpfs rw 0 0\n/dev/vda / ext4 rw 0 0\nnone /tmp tmpfs rw,nosuid,nodev 0 0\n")

    assert [(one["mount"], one["options"]) for one in found] == [("/", ["rw"]), ("/tmp", ["rw", "nosuid", "nodev"])]


def test_a_key_that_others_may_read_is_open_and_an_example_is_none(tmp_path: Path) -> None:
    for name, mode in (
        ("srv/shop/.env", 0o644),
        ("srv/shop/.env.example", 0o644),
        ("srv/shop/id_ed25519", 0o600),
        ("etc/ssh/ssh_host_rsa_key", 0o640),
    ):
        put(tmp_path, name, "x")
        (tmp_path / name).chmod(mode)

    fact = files.permissions(machine(tmp_path))

    assert [one["path"] for one in fact["loose"]] == ["/srv/shop/.env"]  # type: ignore[index,union-attr,call-overload]
    assert fact["kinds"] == {"env": 1, "private_key": 1, "host_key": 1}


def test_what_lies_below_a_closed_folder_is_open_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "srv/closed").mkdir(parents=True)
    (tmp_path / "srv/closed").chmod(0o700)

    assert files._is_reachable(machine(tmp_path), "/srv")
    assert not files._is_reachable(machine(tmp_path), "/srv/closed")


def test_a_package_verifies_when_only_its_settings_changed() -> None:
    text = (
        "??5?????? c /etc/ssh/sshd_config\n??5??????   /usr/bin/ls\nmissing     /usr/sbin/cron\n"
        "??5??????   /usr/share/doc/x\n.......T.    /usr/bin/id\n"
    )

    assert updates.parse_verify(text) == (["/usr/bin/ls"], ["/usr/sbin/cron"])


def test_sources_are_read_in_all_three_forms_and_without_passwords(tmp_path: Path) -> None:
    put(tmp_path, "usr/bin/apt-get", "")
    put(tmp_path, "etc/apt/sources.list", "deb [trusted=yes] http://u:secret@a.example/debian stable main\n# deb http://off.example x y\n")
    put(
        tmp_path,
        "etc/apt/sources.list.d/b.sources",
        "Types: deb\nURIs: https://b.example\nSuites: stable\nSigned-By: /k\n\nURIs: https://c.example\nEnabled: no\n",
    )
    put(tmp_path, "etc/yum.repos.d/d.repo", "[d]\nbaseurl=https://d.example\ngpgcheck=0\n")

    fact = updates.updates(machine(tmp_path, apt_config=""))

    rows: Any = fact["origins"]
    assert [(one["uri"], one["trusted"], one["signed_by"], one["enabled"]) for one in rows] == [
        ("http://a.example/debian", True, False, True),
        ("https://b.example", False, True, True),
        ("https://c.example", False, False, False),
        ("https://d.example", True, False, True),
    ]


def test_rules_of_audit_are_known_by_what_they_watch(tmp_path: Path) -> None:
    text = "enabled 1\nlost 4\n-w /etc/shadow -p wa -k id\n-a always,exit -F arch=b64 -S clock_settime -k time\n"

    found: Any = logs.logging(machine(tmp_path, auditctl=text))["auditd"]

    assert (found["enabled"], found["lost"], found["covers"]) == (1, 4, ["identity", "time"])


def test_a_community_is_judged_here_and_not_even_hashed(tmp_path: Path) -> None:
    put(tmp_path, "usr/sbin/snmpd", "")
    put(tmp_path, "etc/snmp/snmpd.conf", "# rocommunity public\nrocommunity longsecret 10.0.0.0/8\n")

    sent = services.services(machine(tmp_path))

    assert sent["snmp"] == {"present": True, "default_community": False}
    assert "longsecret" not in json.dumps(sent)
    put(tmp_path, "etc/snmp/snmpd.conf", "com2sec notConfigUser default public\n")
    assert services.services(machine(tmp_path))["snmp"] == {"present": True, "default_community": True}


def test_an_old_version_is_taken_only_by_a_hello_of_that_version() -> None:
    hello = tls.client_hello(b"\x03\x01")

    assert hello[:3] == b"\x16\x03\x01"
    assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
    assert tls.is_taken(b"\x16\x03\x01\x00\x31\x02\x00\x00\x2d\x03\x01", b"\x03\x01")
    assert not tls.is_taken(b"\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03", b"\x03\x01")
    assert not tls.is_taken(b"\x15\x03\x01\x00\x02\x02\x46", b"\x03\x01")


def test_connections_are_known_by_who_called_whom() -> None:
    text = (
        "  sl  local_address rem_address   st tx rx tr tm retr uid timeout inode\n"
        "0: 00000000:1F90 00000000:0000 0A 0 0 0 0 0 7\n"
        "1: 0A02000A:1F90 0B02000A:C001 01 0 0 0 1000 0 8\n"
        "2: 0A02000A:C002 0C02000A:1538 01 0 0 0 1000 0 9\n"
        "3: 0100007F:1F90 0100007F:C003 01 0 0 0 0 0 10\n"
    )

    rows, listening = connections.parse_established(text)

    assert listening == {8080}
    assert [(port, peer, peer_port) for _, port, peer, peer_port, _, _ in rows] == [(8080, "10.0.2.11", 49153), (49154, "10.0.2.12", 5432)]


def test_taint_is_read_bit_by_bit(tmp_path: Path) -> None:
    put(tmp_path, "proc/sys/kernel/tainted", f"{1 << 1 | 1 << 12}\n")

    fact = kernel.integrity(machine(tmp_path))

    assert (fact["taint_flags"], fact["unknown"]) == (["F", "O"], {"hidden_pids": "needs_helper"})


def test_a_start_without_a_shutdown_before_was_not_planned(tmp_path: Path) -> None:
    def record(kind: int, user: bytes, seconds: int) -> bytes:
        return struct.pack("<h2xi32s4s32s256s2hiii16s20s", kind, 0, b"~", b"", user, b"", 0, 0, 0, seconds, 0, b"", b"")

    now = NOW_MS // 1000
    rows = [(2, b"reboot", now - 9_000), (1, b"shutdown", now - 8_000), (2, b"reboot", now - 7_000), (2, b"reboot", now - 6_000)]
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/wtmp").write_bytes(b"".join(record(*row) for row in rows))

    assert pressure._unplanned_boots(machine(tmp_path)) == 1


def test_an_excerpt_is_short_and_redacted(tmp_path: Path) -> None:
    put(tmp_path, "etc/app.conf", "password=hunter22\n" + "x" * 2000)
    look = Look(machine(tmp_path))

    look.read("etc/app.conf")

    assert "hunter22" not in str(look.sources)
    assert len(str(look.sources[0]["excerpt"])) <= EXCERPT_MAX
    assert shorten("a\n" + "b" * 500) == "a"
    assert shorten("f 666 /a\0d 777 /b\0") == "f 666 /a\nd 777 /b"


class Asked:
    """Answers every group at once and remembers in which order they were asked for."""

    def __init__(self) -> None:
        self.questions: list[list[str]] = []

    def collect(self, groups: Sequence[str]) -> list[Mapping[str, object]]:
        self.questions.append(list(groups))
        return [{"group": name, "collected_at": 1, "value": {"name": name}} for name in groups]


def test_the_first_look_takes_all_that_is_quick_and_says_that_sweeps_run(tmp_path: Path) -> None:
    clock, asked = FixedClock(NOW_MS, boot_ms=3_600_000), Asked()
    inventory = Inventory(Spool(tmp_path / "spool", clock), asked, clock, lambda low, high: low)

    changed = inventory.look()

    assert changed == len(GROUPS)
    assert set(asked.questions[0]) == set(GROUPS) - SWEEPS
    running = inventory.spool.fact_hashes()
    assert len({running[name] for name in SWEEPS}) == 1  # each says no more than that it runs


def test_sweeps_are_taken_afterwards_one_at_a_time(tmp_path: Path) -> None:
    clock, asked = FixedClock(NOW_MS, boot_ms=3_600_000), Asked()
    inventory = Inventory(Spool(tmp_path / "spool", clock), asked, clock, lambda low, high: low)

    for _ in range(1 + len(SWEEPS)):
        inventory.look()

    assert [len(one) for one in asked.questions[1:]] == [1] * len(SWEEPS)
    assert {name for one in asked.questions[1:] for name in one} == SWEEPS
    assert inventory.look() == 0


def test_all_groups_of_the_root_half_fit_into_one_question() -> None:
    assert sum(group.needs_root and not group.is_sweep for group in GROUPS.values()) <= ASK_MAX


def test_a_file_is_others_when_anybody_but_root_may_change_it(tmp_path: Path) -> None:
    path = tmp_path / "job"
    path.write_text("x")
    fields = list(os.lstat(path))

    def seen(mode: int, uid: int, gid: int) -> os.stat_result:
        return os.stat_result([stat.S_IFREG | mode, *fields[1:4], uid, gid, *fields[6:]])

    rows = [(0o755, 0, 0), (0o775, 0, 0), (0o775, 0, 50), (0o755, 9, 0), (0o757, 0, 0)]
    assert [privilege.is_writable_by_others(seen(*row)) for row in rows] == [
        False, False, True, True, True,
    ]  # fmt: skip
