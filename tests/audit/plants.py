"""Known weaknesses and their clean counterparts, as small changes to a private copy of a Debian machine.

Owns: what is planted, which check has to find it and by which words.
Does not own: the room in which it happens (`room`). Standard library only: it runs inside the room.
"""

import base64
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DAY = 86_400
EVERYWHERE = "0.0.0.0"  # noqa: S104  (the weakness itself)
KEPT: list[socket.socket] = []  # listeners live as long as the room


@dataclass(frozen=True)
class Plant:
    """`says` stands in what the check names when the weakness is there, and must not stand there in the clean room."""

    name: str
    check: str
    says: str
    weak: Callable[[], None]
    clean: Callable[[], None]


def write(path: str, text: str, mode: int = 0o644, owner: int = 0) -> Callable[[], None]:
    def plant() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        os.chown(path, owner, owner)
        os.chmod(path, mode)

    return plant


def append(path: str, text: str) -> Callable[[], None]:
    def plant() -> None:
        with open(path, "a") as stream:
            stream.write(text)

    return plant


def prepend(path: str, text: str) -> Callable[[], None]:
    def plant() -> None:
        Path(path).write_text(text + Path(path).read_text())

    return plant


def mode(path: str, bits: int) -> Callable[[], None]:
    return lambda: os.chmod(path, bits)


def run(*argv: str) -> Callable[[], None]:
    def plant() -> None:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)

    return plant


def both(*steps: Callable[[], None]) -> Callable[[], None]:
    def plant() -> None:
        for step in steps:
            step()

    return plant


def nothing() -> None:
    """The machine as it was installed is the one or the other."""


def account(name: str, uid: int, hashed: str, days_ago: int = 1, shell: str = "/bin/bash") -> Callable[[], None]:
    """Add an account with its line in shadow and a last sign-in."""

    def plant() -> None:
        append("/etc/passwd", f"{name}:x:{uid}:{uid}::/home/{name}:{shell}\n")()
        append("/etc/group", f"{name}:x:{uid}:\n")()
        append("/etc/shadow", f"{name}:{hashed}:{int(time.time()) // DAY - 400}:0:99999:7:::\n")()
        Path(f"/home/{name}/.ssh").mkdir(parents=True, exist_ok=True)
        for path in (f"/home/{name}", f"/home/{name}/.ssh"):
            os.chown(path, uid, uid)
            os.chmod(path, 0o700)
        if uid:
            with open("/var/log/lastlog", "r+b" if Path("/var/log/lastlog").exists() else "w+b") as stream:
                stream.seek(uid * 292)
                stream.write(struct.pack("=i32s256s", int(time.time()) - days_ago * DAY, b"pts/0", b"192.0.2.1"))

    return plant


YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
MD5 = "$1$abcdefgh$9sKkOlNGXsGzJfPjd5Rhd/"
DES = "ab8xLyFyoR5Wo"


def key(kind: str, *numbers: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (kind.encode(), *numbers))
    return f"{kind} {base64.b64encode(blob).decode()} someone@somewhere\n"


def rsa_key(bits: int) -> str:
    return key("ssh-rsa", b"\x01\x00\x01", b"\0" + (1 << (bits - 1) | 1).to_bytes(bits // 8, "big"))


def authorised(name: str, uid: int, line: str) -> Callable[[], None]:
    return both(account(name, uid, YESCRYPT), write(f"/home/{name}/.ssh/authorized_keys", line, 0o600, uid))


def ssh(line: str) -> Callable[[], None]:
    return prepend("/etc/ssh/sshd_config", f"{line}\n")


def listen(port: int, address: str, kind: int = socket.SOCK_STREAM) -> Callable[[], None]:
    def plant() -> None:
        listener = socket.socket(socket.AF_INET, kind)
        listener.bind((address, port))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        KEPT.append(listener)

    return plant


def certificate(path: str, days: int, bits: int = 2048, begin: str = "") -> Callable[[], None]:
    """Make a certificate signed by itself; `days` may be negative, then it has ended."""

    def plant() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        argv = ["openssl", "req", "-x509", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", f"{path}.key", "-out", path]
        argv += [
            "-subj",
            "/CN=clinic.example",
            "-addext",
            "subjectAltName=DNS:clinic.example",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]
        run(*argv, "-days", str(days))()
        os.chmod(f"{path}.key", 0o600)

    return plant


def ended(path: str) -> Callable[[], None]:
    """Put a certificate there that ended in 2021 (made for this test; its key is thrown away)."""

    def plant() -> None:
        folder = Path("/run/ca")
        folder.mkdir(exist_ok=True)
        certificate(f"{folder}/ca.pem", 3650)()
        run(
            "openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/k", "-out", f"{folder}/r", "-subj", "/CN=old"
        )()
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=/run/ca/index.txt\nnew_certs_dir=/run/ca\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        argv = ["openssl", "ca", "-config", f"{folder}/ca.cnf", "-batch", "-cert", f"{folder}/ca.pem", "-keyfile", f"{folder}/ca.pem.key"]
        run(*argv, "-in", f"{folder}/r", "-startdate", "200101000000Z", "-enddate", "210101000000Z", "-out", path, "-notext")()

    return plant


def serve_tls(port: int, days: int, *, is_old: bool) -> Callable[[], None]:
    """Serve TLS on a port that usually speaks it."""

    def plant() -> None:
        path = f"/run/tls-{port}.pem"
        certificate(path, days)()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, f"{path}.key")
        context.minimum_version = ssl.TLSVersion.TLSv1 if is_old else ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ALL:@SECLEVEL=0" if is_old else "HIGH")
        listener = socket.create_server(("127.0.0.1", port))
        KEPT.append(listener)
        threading.Thread(target=_answer, args=(listener, context), daemon=True).start()

    return plant


def _answer(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        plain, _ = listener.accept()
        plain.settimeout(5)
        try:
            context.wrap_socket(plain, server_side=True).close()
        except (OSError, ValueError):
            plain.close()


def kernel(name: str, value: str) -> Callable[[], None]:
    """Show another value of a setting to this room only: those of the kernel itself belong to the whole machine."""

    def plant() -> None:
        shown = Path("/run/sysctl") / name
        shown.parent.mkdir(exist_ok=True)
        shown.write_text(f"{value}\n")
        run("mount", "--bind", str(shown), f"/proc/sys/{name.replace('.', '/')}")()

    return plant


def network_setting(name: str, value: str) -> Callable[[], None]:
    return write_existing(f"/proc/sys/{name.replace('.', '/')}", f"{value}\n")


def write_existing(path: str, text: str) -> Callable[[], None]:
    return lambda: Path(path).write_text(text) and None


def aged(path: str, days: int) -> Callable[[], None]:
    def plant() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
        os.utime(path, (time.time() - days * DAY,) * 2)

    return plant


def suid_copy() -> None:
    shutil.copy("/bin/dash", "/usr/local/bin/quick")
    os.chmod("/usr/local/bin/quick", 0o4755)  # noqa: S103  (the weakness itself)


def unattended(*, is_on: bool) -> Callable[[], None]:
    flag, folder = "1" if is_on else "0", "/var/log/unattended-upgrades"
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())},000 INFO No packages found that can be upgraded unattended\n"
    return both(
        write(
            "/etc/apt/apt.conf.d/20auto-upgrades",
            f'APT::Periodic::Update-Package-Lists "{flag}";\nAPT::Periodic::Unattended-Upgrade "{flag}";\n',
        ),
        write(f"{folder}/unattended-upgrades.log", line),
    )


def firewall(policy: str) -> Callable[[], None]:
    """Load rules; where this kernel has no packet filter, let a tool of the same name show what it would say."""
    rules = (
        f"table inet filter {{ chain input {{ type filter hook input priority 0; policy {policy}; iif lo accept; tcp dport 22 accept; }} }}"
    )
    chain = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": policy}
    shown = json.dumps(
        {"nftables": [{"chain": chain}, {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"accept": None}]}}]}
    )

    def plant() -> None:
        write("/run/rules.nft", rules)()
        if subprocess.run(["nft", "-f", "/run/rules.nft"], capture_output=True, check=False).returncode:
            write("/usr/local/sbin/nft", f"#!/bin/sh\necho '{shown}'\n", 0o755)()

    return plant


def unit(path: str) -> str:
    return f"[Service]\nExecStart={path}\n"


PAM = "/etc/pam.d/common-password"
CRON = "/etc/cron.d/nightly"
JOB = "#!/bin/sh\nexit 0\n"
SNMP = "/etc/snmp/snmpd.conf"
SOURCES = "/etc/apt/sources.list.d"

PLANTS: tuple[Plant, ...] = (
    # accounts
    Plant("a second root", "ACC-01", "toor", account("toor", 0, YESCRYPT), account("keeper", 1500, YESCRYPT)),
    Plant("an empty password", "ACC-02", "scanner", account("scanner", 2001, ""), account("scanner", 2001, "!")),
    Plant("an MD5 password", "ACC-03", "archive (md5)", account("archive", 2002, MD5), account("archive", 2002, YESCRYPT)),
    Plant("a DES password", "ACC-03", "terminal (des)", account("terminal", 2003, DES), account("terminal", 2003, YESCRYPT)),
    Plant("a forgotten account", "ACC-04", "leaver", account("leaver", 2004, YESCRYPT, 120), account("leaver", 2004, YESCRYPT, 3)),
    Plant("a shared account", "ACC-05", "office", account("office", 2005, YESCRYPT), account("tara", 2005, YESCRYPT)),
    Plant(
        "sudo without a password",
        "ACC-06",
        "/etc/sudoers.d/omar:1",
        both(account("omar", 2006, YESCRYPT), write("/etc/sudoers.d/omar", "omar ALL=(ALL) NOPASSWD: ALL\n", 0o440)),
        both(account("omar", 2006, YESCRYPT), write("/etc/sudoers.d/omar", "omar ALL=(ALL) NOPASSWD: /usr/bin/uptime\n", 0o440)),
    ),
    Plant(
        "rules of sudo that others may write",
        "ACC-06",
        "/etc/sudoers.d/shared may be changed",
        write("/etc/sudoers.d/shared", "%sudo ALL=(ALL) /usr/bin/id\n", 0o666),
        write("/etc/sudoers.d/shared", "%sudo ALL=(ALL) /usr/bin/id\n", 0o440),
    ),
    Plant(
        "short passwords",
        "ACC-07",
        "shorter than 15",
        write("/etc/security/pwquality.conf", "minlen = 8\n"),
        both(write("/etc/security/pwquality.conf", "minlen = 16\n"), prepend(PAM, "password requisite pam_pwquality.so retry=3\n")),
    ),
    Plant(
        "unlimited tries",
        "ACC-07",
        "never locked out",
        nothing,
        prepend("/etc/pam.d/common-auth", "auth required pam_faillock.so preauth deny=5\n"),
    ),
    Plant(
        "a DSA key",
        "ACC-10",
        "/home/dora/.ssh/authorized_keys:1 (DSA)",
        authorised("dora", 2007, key("ssh-dss", b"\0" + (1 << 1023).to_bytes(128, "big"))),
        authorised("dora", 2007, key("ssh-ed25519", b"k" * 32)),
    ),
    Plant(
        "a short RSA key", "ACC-10", "RSA with 1024 bits", authorised("ruth", 2008, rsa_key(1024)), authorised("ruth", 2008, rsa_key(3072))
    ),
    # SSH
    Plant("root by password", "NET-04", "PermitRootLogin is “yes”", ssh("PermitRootLogin yes"), ssh("PermitRootLogin no")),
    Plant(
        "passwords over SSH", "NET-05", "PasswordAuthentication is on", ssh("PasswordAuthentication yes"), ssh("PasswordAuthentication no")
    ),
    Plant(
        "empty passwords over SSH", "NET-05", "PermitEmptyPasswords is on", ssh("PermitEmptyPasswords yes"), ssh("PermitEmptyPasswords no")
    ),
    Plant("ten tries", "NET-06", "MaxAuthTries is 10", ssh("MaxAuthTries 10"), ssh("MaxAuthTries 3")),
    Plant("an old cipher", "NET-06", "aes128-cbc", ssh("Ciphers +aes128-cbc"), ssh("Ciphers aes256-gcm@openssh.com")),
    # exposed ports
    Plant("an open cache", "NET-01", "tcp/6379", listen(6379, EVERYWHERE), listen(6379, "127.0.0.1")),
    Plant("an open search engine", "NET-01", "tcp/9200", listen(9200, EVERYWHERE), listen(9200, "127.0.0.1")),
    Plant(
        "an open SNMP port", "NET-01", "udp/161", listen(161, EVERYWHERE, socket.SOCK_DGRAM), listen(161, "127.0.0.1", socket.SOCK_DGRAM)
    ),
    Plant("a firewall that lets all in", "NET-03", "accepted unless", firewall("accept"), firewall("drop")),
    # services and packages
    Plant("a telnet server", "NET-07", "telnetd is installed", nothing, run("dpkg", "--purge", "inetutils-telnetd")),
    Plant(
        "a default community",
        "NET-07",
        "SNMP answers",
        write(SNMP, "rocommunity public\n", 0o600),
        write(SNMP, "rocommunity kY7mPq2vXz\n", 0o600),
    ),
    Plant(
        "an unsigned source",
        "PAT-06",
        "trusted.list:1 (signatures are not checked)",
        write(f"{SOURCES}/trusted.list", "deb [trusted=yes] http://deb.debian.org/debian bookworm main\n"),
        write(
            f"{SOURCES}/trusted.list",
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main\n",
        ),
    ),
    Plant(
        "a source that nobody declared",
        "PAT-06",
        "packages.unknown.example",
        write(f"{SOURCES}/other.list", "deb http://packages.unknown.example/debian stable main\n"),
        write(f"{SOURCES}/other.list", "deb http://security.debian.org/debian-security bookworm-security main\n"),
    ),
    Plant("no automatic updates", "PAT-05", "Nothing installs", unattended(is_on=False), unattended(is_on=True)),
    Plant("a restart that waits", "PAT-04", "pending for 10 days", aged("/run/reboot-required", 10), aged("/run/reboot-required", 2)),
    Plant(
        "a program of nobody",
        "PAT-07",
        "/usr/local/bin/ledgertool",
        write("/usr/local/bin/ledgertool", JOB, 0o755),
        write("/opt/ledger/ledgertool", JOB, 0o755),
    ),
    Plant("a changed program", "INT-01", "/usr/bin/logger", append("/usr/bin/logger", "x"), nothing),
    # kernel settings
    Plant(
        "kernel addresses shown",
        "SYS-01",
        "kernel.kptr_restrict=0",
        kernel("kernel.kptr_restrict", "0"),
        kernel("kernel.kptr_restrict", "2"),
    ),
    Plant(
        "memory in fixed places",
        "SYS-01",
        "kernel.randomize_va_space=1",
        kernel("kernel.randomize_va_space", "1"),
        kernel("kernel.randomize_va_space", "2"),
    ),
    Plant("dumps of set-uid programs", "SYS-01", "fs.suid_dumpable=1", kernel("fs.suid_dumpable", "1"), kernel("fs.suid_dumpable", "0")),
    Plant(
        "a server that forwards",
        "NET-08",
        "net.ipv4.ip_forward=1",
        network_setting("net.ipv4.ip_forward", "1"),
        network_setting("net.ipv4.ip_forward", "0"),
    ),
    Plant(
        "redirects that are followed",
        "NET-08",
        "net.ipv4.conf.all.accept_redirects=1",
        network_setting("net.ipv4.conf.all.accept_redirects", "1"),
        network_setting("net.ipv4.conf.all.accept_redirects", "0"),
    ),
    # permissions
    Plant(
        "an open host key",
        "ENC-06",
        "/etc/ssh/ssh_host_rsa_key",
        mode("/etc/ssh/ssh_host_rsa_key", 0o644),
        mode("/etc/ssh/ssh_host_rsa_key", 0o600),
    ),
    Plant(
        "an open settings file",
        "ENC-06",
        "/srv/shop/.env",
        write("/srv/shop/.env", "KEY=1\n", 0o644),
        write("/srv/shop/.env", "KEY=1\n", 0o600),
    ),
    Plant("open password hashes", "ENC-06", "/etc/shadow", mode("/etc/shadow", 0o644), mode("/etc/shadow", 0o640)),
    Plant("a file for everybody", "SYS-04", "/srv/plans.txt", write("/srv/plans.txt", "x", 0o666), write("/srv/plans.txt", "x", 0o644)),
    Plant(
        "a folder for everybody",
        "SYS-04",
        "/srv/drop",
        both(run("mkdir", "/srv/drop"), mode("/srv/drop", 0o777)),
        both(run("mkdir", "/srv/drop"), mode("/srv/drop", 0o1777)),
    ),
    Plant(
        "a file of nobody",
        "SYS-04",
        "/srv/left.txt (no owner)",
        write("/srv/left.txt", "x", 0o600, 49_999),
        write("/srv/left.txt", "x", 0o600),
    ),
    Plant("a strange set-uid program", "SYS-05", "/usr/local/bin/quick", suid_copy, nothing),
    Plant(
        "an open boot menu",
        "SYS-07",
        "/boot/grub/grub.cfg",
        write("/boot/grub/grub.cfg", "x", 0o644),
        write("/boot/grub/grub.cfg", "x", 0o600),
    ),
    # schedules
    Plant(
        "a nightly job that others may write",
        "SYS-06",
        "/opt/jobs/nightly",
        both(write("/opt/jobs/nightly", JOB, 0o777), write(CRON, "5 2 * * * root /opt/jobs/nightly\n")),
        both(write("/opt/jobs/nightly", JOB, 0o755), write(CRON, "5 2 * * * root /opt/jobs/nightly\n")),
    ),
    Plant(
        "a unit of root in a person's folder",
        "SYS-06",
        "/home/keeper2/agent",
        both(
            account("keeper2", 2010, YESCRYPT),
            write("/home/keeper2/agent", JOB, 0o755, 2010),
            write("/etc/systemd/system/x.service", unit("/home/keeper2/agent")),
        ),
        both(
            account("keeper2", 2010, YESCRYPT),
            write("/opt/keeper/agent", JOB, 0o755),
            write("/etc/systemd/system/x.service", unit("/opt/keeper/agent")),
        ),
    ),
    Plant(
        "a search path that others may write",
        "SYS-06",
        "/opt/tools",
        both(run("mkdir", "-p", "/opt/tools"), mode("/opt/tools", 0o777), prepend("/etc/crontab", "PATH=/opt/tools:/usr/bin\n")),
        both(run("mkdir", "-p", "/opt/tools"), mode("/opt/tools", 0o755), prepend("/etc/crontab", "PATH=/opt/tools:/usr/bin\n")),
    ),
    # certificates
    Plant(
        "a certificate that ended",
        "ENC-04",
        "old.crt (ended)",
        both(run("mkdir", "-p", "/etc/nginx"), ended("/etc/nginx/old.crt")),
        certificate("/etc/nginx/old.crt", 400),
    ),
    Plant(
        "a certificate with a short key",
        "ENC-04",
        "RSA with 1024 bits",
        certificate("/etc/nginx/short.crt", 400, 1024),
        certificate("/etc/nginx/short.crt", 400, 3072),
    ),
    Plant(
        "a certificate in its last days",
        "ENC-04",
        "port 8443 (9 days left",
        serve_tls(8443, 10, is_old=False),
        serve_tls(8443, 300, is_old=False),
    ),
    Plant("TLS of 1999", "ENC-05", "port 9443 (TLSv1.0", serve_tls(9443, 300, is_old=True), serve_tls(9443, 300, is_old=False)),
    # logs and sessions
    Plant(
        "logs that a restart wipes",
        "LOG-03",
        "lost at each restart",
        write("/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\n"),
        write("/etc/systemd/journald.conf", "[Journal]\nStorage=persistent\n"),
    ),
    Plant("shells that never end", "SYS-09", "TMOUT", nothing, write("/etc/profile.d/tmout.sh", "readonly TMOUT=600; export TMOUT\n")),
    Plant(
        "shared memory with set-uid",
        "SYS-03",
        "/dev/shm",
        run("mount", "-t", "tmpfs", "none", "/dev/shm"),
        run("mount", "-t", "tmpfs", "-o", "nodev,nosuid", "none", "/dev/shm"),
    ),
    # signs of a guest
    Plant("a library in every program", "INT-04", "/usr/lib/libx.so", write("/etc/ld.so.preload", "/usr/lib/libx.so\n"), nothing),
    Plant("a listener on the network", "INT-04", "lo listens to the traffic", run("ip", "link", "set", "lo", "promisc", "on"), nothing),
    Plant(
        "a member of the docker group",
        "SYS-08",
        "deploy is in group docker",
        append("/etc/group", "docker:x:950:deploy\n"),
        append("/etc/group", "docker:x:950:\n"),
    ),
)
