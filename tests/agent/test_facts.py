"""Parsers of facts against outputs kept in `fixtures`; what cannot be known says so."""

import datetime
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mainstay_agent.facts import certificates, network, people, schedules, software, storage, system
from mainstay_agent.facts.catalogue import GROUPS
from mainstay_agent.facts.groups import COLLECTORS, collect
from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.host.der import parse_certificate, public_key_info
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import parse_mountinfo
from mainstay_agent.host.subprocesses import Output, ToolMissing, ToolTimedOut
from mainstay_trust import canonical

FIXTURES = Path(__file__).parent / "fixtures"


def recorded(name: str) -> str:
    return (FIXTURES / name).read_text()


class Tools:
    """Answers argv[0] with a recorded output, or fails as a missing or hanging tool does."""

    def __init__(self, **outputs: str | Exception) -> None:
        self.outputs = outputs

    def run(self, argv: Any, *, timeout_s: float = 30) -> Output:
        found = self.outputs.get(argv[0].replace("-", "_"), ToolMissing(argv[0]))
        if isinstance(found, Exception):
            raise found
        return Output(0, found)


def machine(root: Path, *, is_root: bool = True, **outputs: str | Exception) -> Machine:
    return Machine(root=root, executor=Tools(**outputs), clock=FixedClock(1_767_225_600_000), is_root=is_root)


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_packages_name_their_source_because_fixes_are_published_by_source() -> None:
    found = {one["name"]: one for one in software.parse_dpkg(recorded("dpkg-query-debian12.txt"))}

    assert set(found) == {"adduser", "bash", "libc6", "libssl3", "nginx"}
    assert (found["libssl3"]["source_name"], found["bash"]["source_version"]) == ("openssl", "5.2.15-2")
    assert [name for name, one in found.items() if one["held"]] == ["nginx"]


def test_pending_updates_say_which_are_for_security_and_what_would_be_removed() -> None:
    found = {str(one["name"]): one for one in software.parse_simulation(recorded("apt-simulate-debian12.txt"))}

    assert found["openssl"]["candidate"] == "3.0.22-1~deb12u2"
    assert {name for name, one in found.items() if one["security"]} == {"tzdata", "openssl", "unzip", "linux-image-6.1.0-40-amd64"}
    assert {name: one["action"] for name, one in found.items() if one["action"] != "upgrade"} == {
        "linux-image-6.1.0-40-amd64": "new",
        "libfoo1": "remove",
    }


def test_without_package_lists_updates_are_unknown_and_not_none(tmp_path: Path) -> None:
    put(tmp_path, "usr/bin/apt-get", "")

    assert collect("updates", machine(tmp_path)).unknown == "lists_missing"


def test_rpm_packages_keep_epoch_and_source() -> None:
    line = "bash\t0:5.1.8-9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\tRed Hat\nbind\t32:9.16.23-1\tx86_64\tbind-9.16.23-1.src.rpm\tRed Hat\n"

    found = software.parse_rpm(line)

    assert [(one["version"], one["source_version"]) for one in found] == [("5.1.8-9.el9", "5.1.8-9.el9"), ("32:9.16.23-1", "9.16.23-1")]


def test_addresses_and_kinds_of_interfaces_are_read() -> None:
    found = {str(one["name"]): one for one in network.parse_addresses(recorded("ip-address.json"))}

    assert found["lo"]["kind"] == "loopback"
    assert found["lo"]["mac"] is None
    assert found["eth0"]["mac"] == "52:54:00:12:34:56"
    assert {"address": "127.0.0.1", "prefix": 8, "family": "ipv4"} in found["lo"]["addresses"]  # type: ignore[operator]


def test_a_route_by_another_family_has_no_gateway_of_its_own() -> None:
    default, local, foreign = network.parse_routes(recorded("ip-route.json"), "ipv4")

    assert (default["prefix"], default["gateway"], default["metric"]) == (0, "192.0.2.1", 100)  # type: ignore[index,call-overload]
    assert (local["prefix"], local["gateway"]) == (24, None)  # type: ignore[index,call-overload]
    assert (foreign["prefix"], foreign["gateway"]) == (32, None)  # type: ignore[index,call-overload]


def test_only_listening_sockets_are_listed_and_their_addresses_decoded() -> None:
    four = network.parse_sockets(recorded("proc-net-tcp.txt"), "tcp", "ipv4")
    six = network.parse_sockets(recorded("proc-net-tcp6.txt"), "tcp", "ipv6")

    assert [(row["address"], row["port"], inode) for row, inode in four] == [("127.0.0.1", 8080, "1134")]
    assert [(row["address"], row["port"], row["uid"]) for row, _ in six] == [("::1", 80, 33)]


def test_the_owner_of_a_file_is_found_through_diversions_and_architectures() -> None:
    text = "diversion by dash from: /bin/sh\nlibc6:amd64: /lib/libc.so.6\nnginx-core, nginx-light: /usr/sbin/nginx\n"

    assert network.parse_owners(text) == {"/lib/libc.so.6": "libc6", "/usr/sbin/nginx": "nginx-core"}


def test_a_firewall_that_drops_by_default_is_active() -> None:
    assert network.parse_nft(recorded("nft-ruleset.json")) == {
        "active": True,
        "kind": "nftables",
        "rules": 1,
        "input_policy": "drop",
        "input_default": "drop",
    }
    assert network.parse_iptables("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")["active"] is False


def test_without_root_a_firewall_is_unknown_and_not_off(tmp_path: Path) -> None:
    assert collect("firewall", machine(tmp_path, is_root=False)).unknown == "needs_helper"
    assert collect("firewall", machine(tmp_path)).unknown == "tool_missing"


def test_a_tool_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    assert collect("routes", machine(tmp_path, ip=ToolTimedOut("ip"))).unknown == "timeout"
    assert collect("routes", machine(tmp_path, ip="{not json")).unknown == "parse_failed"


def test_what_lies_above_a_crypt_device_is_encrypted_and_boot_is_not() -> None:
    found = {row["mount"]: row["encrypted"] for row in storage.parse_lsblk(recorded("lsblk-luks.json"))}

    assert found == {"/": True, "/boot": False}


def test_a_disks_smart_counters_are_read_and_a_disk_without_smartctl_has_unknown_health(tmp_path: Path) -> None:
    smart = storage.parse_smart(recorded("smartctl-ata.json"))
    assert (smart["passed"], smart["reallocated_sectors"], smart["pending_sectors"], smart["power_on_h"]) == (True, 8, 2, 18231)

    put(tmp_path, "sys/block/sda/size", "2000")
    disk = collect("disks", machine(tmp_path)).value["disks"][0]  # type: ignore[index,call-overload]
    assert disk["smart"] is None  # type: ignore[index,call-overload]
    assert disk["unknown"] == {"smart": "tool_missing"}  # type: ignore[index,call-overload]


def test_mounts_are_unescaped_bound_ones_left_out_and_network_ones_known() -> None:
    found = {one.mount: one for one in parse_mountinfo(recorded("mountinfo.txt"))}

    assert list(found) == ["/", "/mnt/back up", "/mnt/share"]
    assert found["/mnt/back up"].is_read_only
    assert (found["/mnt/share"].is_network, found["/mnt/share"].is_local) == (True, False)


@pytest.mark.parametrize(
    "text", ["", "None", "Default string", "To Be Filled By O.E.M.", "System Serial Number", "0123456789", "000000", "FFFFFFFF",
             "00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009"]
)  # fmt: skip
def test_a_makers_placeholder_is_no_identity(text: str) -> None:
    assert system.identity(text) is None
    assert system.identity("C02XK0AAJG5H") == "C02XK0AAJG5H"


def test_a_kernel_number_is_compared_as_numbers() -> None:
    assert system.newest_kernel(["6.1.0-9-amd64", "6.1.0-18-amd64", "5.10.0-30-amd64"]) == "6.1.0-18-amd64"
    rows = ("installed\tlinux-image-6.1.0-18-amd64\t1", "installed\tlinux-image-amd64\t1", "config-files\tlinux-image-5.10.0-1\t1")
    text = "\n".join(rows)
    assert [one["release"] for one in system.parse_kernels(text)] == ["6.1.0-18-amd64"]


def test_a_newer_installed_kernel_asks_for_a_reboot_only_where_kernels_are_the_machines_own(tmp_path: Path) -> None:
    put(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-9-amd64\n")
    put(tmp_path, "proc/stat", "btime 1767220000\n")
    both = "installed\tlinux-image-6.1.0-9-amd64\t6.1.27-1\ninstalled\tlinux-image-6.1.0-18-amd64\t6.1.76-1\n"
    foreign = "installed\tlinux-image-6.1.0-18-amd64\t6.1.76-1\n"

    own = collect("reboot_state", machine(tmp_path, dpkg_query=both)).value
    container = collect("reboot_state", machine(tmp_path, dpkg_query=foreign)).value

    assert (own["required"], own["reasons"]) == (True, ["kernel"])  # type: ignore[index]
    assert container["required"] is False  # type: ignore[index]


def test_no_password_hash_leaves_the_machine(tmp_path: Path) -> None:
    put(
        tmp_path,
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\ntara:x:1000:1000::/home/tara:/bin/sh\nold:x:1001:1001::/:/usr/sbin/nologin\n",
    )
    put(tmp_path, "etc/group", "sudo:x:27:tara\n")
    put(tmp_path, "etc/shadow", "root:*:19000:0:::::\ntara:$y$j9T$secret:19000:0:::::\nold::19000:0:::::\n")

    value = collect("users_groups", machine(tmp_path)).value

    assert "secret" not in str(value)
    assert [(one["name"], one["password"], one["can_login"]) for one in value["users"]] == [  # type: ignore[index,union-attr,call-overload]
        ("root", "locked", True),
        ("tara", "set", True),
        ("old", "empty", False),
    ]


def test_sudo_rules_are_named_and_defaults_are_not_rules(tmp_path: Path) -> None:
    put(
        tmp_path,
        "etc/sudoers",
        "Defaults env_reset\n# note\n@includedir /etc/sudoers.d\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) \\\n  ALL\n",
    )
    put(tmp_path, "etc/group", "sudo:x:27:tara,nadia\n")

    value = collect("sudo", machine(tmp_path)).value

    assert [one["rule"] for one in value["rules"]] == ["root ALL=(ALL:ALL) ALL", "%sudo ALL=(ALL) ALL"]  # type: ignore[index,union-attr,call-overload]
    assert value["admins"] == ["nadia", "root", "tara"]  # type: ignore[index]


def test_a_session_is_read_from_the_binary_record() -> None:
    record = people._UTMP.pack(7, 1, b"pts/0", b"ts/0", b"tara", b"192.0.2.7", 0, 0, 5, 1767225600, 0, b"", b"")
    gone = people._UTMP.pack(8, 1, b"pts/1", b"ts/1", b"omar", b"", 0, 0, 5, 1767225600, 0, b"", b"")

    assert people.parse_utmp(record + gone) == [{"user": "tara", "line": "pts/0", "host": "192.0.2.7", "since": 1767225600}]


def test_jobs_are_found_in_cron_and_timers_and_their_secrets_are_not_told() -> None:
    text = (
        "SHELL=/bin/sh\n17 * * * * root run-parts /etc/cron.hourly\n@reboot backup restic backup --password=hunter2 /srv\n# 1 1 1 1 1 no\n"
    )
    jobs = schedules.parse_crontab(text, "/etc/crontab", has_user=True)
    timers = schedules.parse_timers(recorded("systemctl-timers.txt"))

    assert [(job["schedule"], job["user"]) for job in jobs] == [("17 * * * *", "root"), ("@reboot", "backup")]
    assert jobs[1]["command"] == "restic backup --password=[redacted] /srv"
    assert [(job["name"], job["schedule"]) for job in timers] == [
        ("apt-daily.timer", "OnCalendar=*-*-* 06,18:00:00"),
        ("clean.timer", "OnUnitActiveUSec=1d"),
    ]


def test_a_backup_tool_counts_with_the_jobs_that_call_it(tmp_path: Path) -> None:
    put(tmp_path, "etc/crontab", "0 2 * * * root restic backup /srv\n")
    assert collect("backups", machine(tmp_path)).value == {
        "tools": [{"name": "restic", "version": None, "scheduled": ["crontab:1"]}],
        "known": True,
    }
    (tmp_path / "etc/crontab").unlink()
    assert collect("backups", machine(tmp_path)).value == {"tools": [], "known": False}


def test_time_synchronisation_is_read_from_chrony() -> None:
    line = "C0000201,192.0.2.1,3,1767225600.1,0.012000000,-0.1,0.2,-1.5,0.0,0.1,0.02,0.001,64.2,Normal\n"

    assert system.parse_chrony(line) == {"synchronised": True, "offset_ms": 12, "servers": ["192.0.2.1"]}


def make_certificate(days: int = 90, *, authority: bool = False) -> tuple[bytes, x509.Certificate]:
    der, certificate, _ = make_pair(days, authority=authority)
    return der, certificate


def make_pair(days: int = 90, *, authority: bool = False) -> tuple[bytes, x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Harbor Law LLP"), x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")]
    )
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("mail.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.10"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x1234)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER), certificate, key


@pytest.mark.parametrize("days", [90, 365 * 30])
def test_a_certificates_end_and_names_are_read_as_a_full_library_reads_them(days: int) -> None:
    der, known = make_certificate(days, authority=days > 1000)

    found = parse_certificate(der)

    assert found.not_after == int(known.not_valid_after_utc.timestamp())
    assert found.not_before == int(known.not_valid_before_utc.timestamp())
    assert (found.subject, found.serial) == ("O=Harbor Law LLP, CN=mail.example", "1234")
    assert found.names == ("mail.example", "192.0.2.10")
    assert found.is_ca is (days > 1000)
    assert found.sha256 == known.fingerprint(hashes.SHA256()).hex()


def test_the_pinned_part_of_a_certificate_is_its_public_key_info() -> None:
    der, known = make_certificate()

    expected = known.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert public_key_info(der) == expected


def test_damaged_certificates_are_refused_and_never_guessed() -> None:
    der, _ = make_certificate()

    for broken in (der[:-1], der + b"\0", b"", b"\x30", b"\x30\x80", der[:40], b"\x30\x84\xff\xff\xff\xff"):
        with pytest.raises((ValueError, StopIteration, IndexError)):
            parse_certificate(broken)


def test_certificates_are_found_where_servers_keep_them_and_keys_are_left_alone(tmp_path: Path) -> None:
    _, known = make_certificate()
    pem = known.public_bytes(serialization.Encoding.PEM).decode()
    put(tmp_path, "etc/nginx/site.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + pem)
    put(tmp_path, "etc/ssl/certs/ca-certificates.crt", pem * 30)
    put(tmp_path, "etc/ssl/certs/own.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    found = certificates.certificates(machine(tmp_path))

    assert [(one["path"], one["position"]) for one in found["certificates"]] == [("/etc/nginx/site.pem", 0)]  # type: ignore[union-attr,index,call-overload]


def test_every_group_of_this_machine_is_a_value_or_a_reason_and_fits_canonical_form() -> None:
    here = Machine()
    for name in GROUPS:
        if name in ("updates", "services", "containers"):
            continue  # these start tools that take their time; their parsers are tested above
        fact = collect(name, here)
        assert (fact.value is None) != (fact.unknown is None), name
        canonical.encode(fact.value)


def test_every_group_has_its_period_and_its_collector() -> None:
    assert list(GROUPS) == list(COLLECTORS)
    assert {name for name, group in GROUPS.items() if group.needs_root} >= {"sudo", "firewall", "users_groups"}
