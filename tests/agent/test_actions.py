"""Actions as real programs: their limits, what they refuse, what they leave alone."""

import hashlib
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from mainstay_agent.actions import disk, temporary
from mainstay_agent.authority import launch
from mainstay_agent.authority.launch import PROGRAMS, ProcessLauncher, Program
from mainstay_agent.host.redaction import redact
from mainstay_agent.net.backoff import Backoff
from mainstay_agent.net.exchange import REPLY_BYTES_MAX, HttpExchange
from mainstay_agent.net.problems import Unreachable
from tests.agent.test_facts import make_pair
from tests.agent.test_helper_process import eventually


@pytest.fixture
def launcher() -> ProcessLauncher:
    return ProcessLauncher(has_systemd=False)


def run(launcher: ProcessLauncher, name: str, **params: Any) -> tuple[int, str]:
    outcome = launcher.launch(PROGRAMS[name], {"params": params, "service": None})
    return outcome.exit, outcome.output.decode()


def test_facts_processes_and_sockets_are_printed_as_json(launcher: ProcessLauncher) -> None:
    code, text = run(launcher, "facts.collect", groups=["os", "kernel"])
    assert (code, [json.loads(line)["group"] for line in text.splitlines()]) == (0, ["os", "kernel"])

    code, text = run(launcher, "proc.list")
    rows = {row["pid"]: row for row in json.loads(text)["processes"]}
    assert rows[os.getpid()]["ppid"] == os.getppid()
    assert "args" not in rows[os.getpid()]

    assert run(launcher, "net.sockets")[0] == 0


def test_a_log_source_is_a_regular_file_and_no_way_out_of_it(launcher: ProcessLauncher, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {number}\n" for number in range(50)) + "token=abc123\n")
    assert run(launcher, "logs.tail", source=str(log), lines=2) == (0, "line 49\ntoken=[redacted]\n")

    link = tmp_path / "link.log"
    link.symlink_to("/etc/shadow")
    for source in (str(link), f"{tmp_path}/../{tmp_path.name}/app.log", "relative.log", str(tmp_path), "--help"):
        code, text = run(launcher, "logs.tail", source=source, lines=2)
        assert code == 1, source
        assert "root:" not in text


def test_a_probe_says_whether_a_port_answers(launcher: ProcessLauncher) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        code, text = run(launcher, "probe.tcp", target=f"127.0.0.1:{server.server_port}")
    assert (code, json.loads(text)["open"]) == (0, True)

    code, text = run(launcher, "probe.tcp", target=f"127.0.0.1:{server.server_port}")
    assert (code, json.loads(text.splitlines()[0])["open"]) == (1, False)


def test_disk_usage_counts_what_lies_below_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/big").write_bytes(b"x" * 100_000)
    (tmp_path / "out").symlink_to("/usr")

    sizes, _ = disk.folder_sizes(str(tmp_path), 1)

    assert set(sizes) == {str(tmp_path), f"{tmp_path}/a"}
    assert sizes[f"{tmp_path}/a"] >= 100_000
    assert sizes[str(tmp_path)] < 1_000_000


def test_only_old_files_that_nobody_holds_open_are_cleaned_away(tmp_path: Path) -> None:
    for name in ("old", "fresh", "held"):
        (tmp_path / name).write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    before = time.time() + 10

    with (tmp_path / "held").open():
        in_use = temporary.open_files() | {(os.stat(tmp_path / "fresh").st_dev, os.stat(tmp_path / "fresh").st_ino)}
        assert temporary.clean_folder(str(tmp_path), before, in_use) == (1, 3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "held", "link", "outside"]


@pytest.mark.parametrize(
    ("name", "params"), [("tmp.clean", {"older_than_days": 0}), ("journal.vacuum", {"keep_mb": 1}), ("cache.clear", {"cache": "pip"})]
)
def test_an_action_checks_its_own_bounds_again(launcher: ProcessLauncher, name: str, params: dict[str, Any]) -> None:
    assert run(launcher, name, **params)[0] == 1


SLOW = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdout.write("still here"); sys.stdout.flush()
time.sleep(60)
"""


def test_a_program_beyond_its_time_is_asked_and_then_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "TERM_GRACE_S", 0.2)
    launcher = ProcessLauncher(has_systemd=False)
    monkeypatch.setattr(ProcessLauncher, "_argv", lambda self, program: ["python3", "-c", SLOW])

    outcome = launcher.launch(Program("service", timeout_s=1.0), {"params": {}})

    assert outcome.is_killed
    assert outcome.exit == -signal.SIGKILL
    assert outcome.output == b"still here"


def test_long_output_keeps_head_and_tail(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as stream:
        stream.write(b"A" * 100 + b"B" * 100 + b"C" * 100)
        stream.flush()
        assert launch.head_and_tail(stream.fileno(), half=100) == (b"A" * 100 + b"\n[100 bytes left out]\n" + b"C" * 100, True)
        assert launch.head_and_tail(stream.fileno(), half=150) == (b"A" * 100 + b"B" * 100 + b"C" * 100, False)


def test_systemd_gets_limits_a_clean_environment_and_argv(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ProcessLauncher(has_systemd=True)._argv(PROGRAMS["service.restart"])

    assert argv[:5] == ["systemd-run", "--quiet", "--pipe", "--wait", "--collect"]
    assert {"--property=MemoryMax=256M", "--property=CPUQuota=50%", "--property=KillMode=process"} <= set(argv)
    assert argv[-2:] == ["mainstay_agent.actions.service", "restart"]
    assert ProcessLauncher(has_systemd=False).weaknesses == ["actions_without_cgroup_limits", "actions_without_private_filesystem"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (b"password=hunter2 user=x", b"password=[redacted] user=x"),
        (b'"api_key": "abc"', b'"api_key": "[redacted]"'),
        (b"Authorization: Bearer abc.def", b"Authorization: [redacted]"),
        (b"postgres://app:s3cret@db/x", b"postgres://app:[redacted]@db/x"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", b"[redacted]\nrest"),
        (b"nothing to hide", b"nothing to hide"),
    ],
)
def test_secrets_do_not_leave_the_device(text: bytes, clean: bytes) -> None:
    assert redact(text) == clean


# The wire


def test_back_off_doubles_to_fifteen_minutes_with_full_jitter_and_honours_the_server() -> None:
    ceilings: list[float] = []

    def draw(low: float, high: float) -> float:
        ceilings.append(high)
        return low

    backoff = Backoff(draw)
    for _ in range(12):
        backoff.failed()
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert backoff.failed(retry_after_s=7200) == 3600
    backoff.succeeded()
    assert (backoff.failures, backoff.failed()) == (0, 0.0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reply = b'{"ok":1}'

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.reply)))
        self.end_headers()
        self.wfile.write(self.reply)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[HTTPServer, str]]:
    """A real TLS server with a certificate of nobody's authority, and the hash of its key."""
    der, pem = make_tls(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, der
    server.shutdown()
    server.server_close()
    eventually(lambda: not thread.is_alive(), "the server has stopped")


def make_tls(folder: Path) -> tuple[str, Path]:
    _, certificate, key = make_pair(days=365 * 30)
    pem = folder / "tls.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    info = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest(), pem


def test_a_pinned_server_is_spoken_to_over_one_connection(serving: tuple[HTTPServer, str]) -> None:
    server, pin = serving
    exchange = HttpExchange(f"https://127.0.0.1:{server.server_port}", lambda: {pin})

    assert exchange.send("POST", "/x", b"{}", {}, 5).body == b'{"ok":1}'
    assert exchange.send("POST", "/x", b"{}", {}, 5).status == 200
    assert exchange.spki == pin
    exchange.close()


def test_a_server_with_another_key_hears_nothing(serving: tuple[HTTPServer, str]) -> None:
    server, _ = serving

    with pytest.raises(Unreachable, match="pin_mismatch"):
        HttpExchange(f"https://127.0.0.1:{server.server_port}", lambda: {"00" * 32}).send("POST", "/x", b"{}", {}, 5)


def test_a_reply_without_end_is_cut_off(serving: tuple[HTTPServer, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server, pin = serving
    monkeypatch.setattr(Handler, "reply", b" " * (REPLY_BYTES_MAX + 1))

    with pytest.raises(Unreachable, match="too_large"):
        HttpExchange(f"https://127.0.0.1:{server.server_port}", lambda: {pin}).send("POST", "/x", b"{}", {}, 5)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://192.0.2.1:8080", "plain_http"),
        ("ftp://127.0.0.1", "bad_url"),
        ("http://127.0.0.1:1", "tcp"),
        ("https://host.invalid", "dns"),
    ],
)
def test_what_cannot_be_reached_says_at_which_step(url: str, code: str) -> None:
    with pytest.raises(Unreachable) as problem:
        HttpExchange(url, None).send("POST", "/x", b"", {}, 2)
    assert problem.value.code == code
