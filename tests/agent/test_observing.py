"""Samples, services and log lines: pure parsers, and the watch that reports a change once."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.host import scratch
from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import Mount
from mainstay_agent.host.subprocesses import Output, SystemExecutor, ToolMissing, ToolTimedOut
from mainstay_agent.net.logs import Files, RateCap, parse_journal, parse_syslog
from mainstay_agent.net.watch import Watch
from mainstay_agent.samples import cpu, disks, filesystems, load, memory, network, own
from mainstay_agent.samples.readings import Rates, series
from mainstay_agent.services.model import Definition, lsb_state
from mainstay_agent.services.systemd import Systemd, parse_show, parse_units
from mainstay_agent.services.sysv import SysV
from tests.agent.test_facts import recorded

NOW_MS = 1_767_225_600_000


def test_waiting_for_a_disk_is_not_use() -> None:
    before = cpu.parse_stat("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nprocs_running 3\nprocs_blocked 1\n")
    now = cpu.parse_stat("cpu  120 0 110 850 20 0 0 0 0 0\ncpu0 1\ncpu1 1\nprocs_running 3\nprocs_blocked 1\n")

    readings = cpu.usage(before, now)

    assert readings[series("cpu_used_pct")] == 30.0
    assert readings[series("cpu_mode_pct", mode="iowait")] == 20.0
    assert (readings[series("cpu_count")], readings[series("processes_blocked")]) == (2, 1)


def test_the_first_look_gives_no_cpu_share() -> None:
    readings = cpu.usage(None, cpu.parse_stat("cpu  100 0 100 800 0 0 0 0 0 0\n"))

    assert series("cpu_used_pct") not in readings


def test_memory_that_would_be_given_back_is_not_used() -> None:
    readings = memory.usage(memory.parse_meminfo("MemTotal: 1000 kB\nMemAvailable: 600 kB\nSwapTotal: 200 kB\nSwapFree: 50 kB\n"))

    assert readings[series("memory_used_bytes")] == 400 * 1024
    assert readings[series("memory_available_pct")] == 60.0
    assert readings[series("swap_used_pct")] == 75.0
    assert series("swap_used_pct") not in memory.usage({"MemTotal": 1, "MemAvailable": 1, "SwapTotal": 0})


def test_a_counter_that_fell_gives_no_rate_and_starts_anew() -> None:
    rates, name = Rates(), series("network_rx_bytes_per_s", interface="eth0")

    assert rates.per_second({name: 1000}, 0) == {}
    assert rates.per_second({name: 3000}, 10_000) == {name: 200.0}
    assert rates.per_second({name: 10}, 20_000) == {}
    assert rates.per_second({name: 20}, 30_000) == {name: 1.0}


def test_disks_are_counted_without_their_partitions_and_busy_is_a_share_of_time() -> None:
    text = "254 0 vda 10 0 100 5 20 0 200 6 0 400 11 0 0 0 0\n254 1 vda1 1 0 1 1 1 0 1 1 0 1 1\n7 0 loop0 1 0 1 1 1 0 1 1 0 1 1\n"
    counters = disks.parse_diskstats(text)

    assert {dict(labels)["disk"] for _, labels in counters} == {"vda"}
    assert counters[series("disk_read_bytes_per_s", disk="vda")] == 51_200
    assert disks.busy_as_pct({series("disk_busy_pct", disk="vda"): 400.0}) == {series("disk_busy_pct", disk="vda"): 40.0}


def test_loopback_and_container_interfaces_are_left_out() -> None:
    row = "100 1 2 3 0 0 0 0 200 1 4 0 0 0 0 0"
    found = network.parse_dev(f"Inter-| x\n face |y\n    lo: {row}\n  eth0: {row}\nveth12: {row}\n")

    assert {dict(labels)["interface"] for _, labels in found} == {"eth0"}
    assert found[series("network_tx_errors_per_s", interface="eth0")] == 4


def test_space_reserved_for_root_is_not_free() -> None:
    stat = os.statvfs_result((4096, 4096, 1000, 300, 250, 100, 50, 40, 0, 255))

    readings = filesystems.usage([Mount("/", "/dev/vda", "ext4", ("rw",), "1:1")], lambda _: stat)

    assert readings[series("filesystem_used_bytes", mount="/")] == 700 * 4096
    assert readings[series("filesystem_free_pct", mount="/")] == 26.32
    assert readings[series("filesystem_inodes_free_pct", mount="/")] == 40.0


def test_a_dead_network_share_is_never_asked() -> None:
    def asked(mount: str) -> os.statvfs_result:
        raise AssertionError(mount)

    assert filesystems.usage([Mount("/mnt", "nas:/x", "nfs4", (), "0:1")], asked) == {}


def test_load_pressure_and_own_cost_are_read() -> None:
    assert load.parse_loadavg("0.50 0.25 0.10 2/345 6789\n")[series("load5")] == 0.25
    assert load.parse_pressure("io", "some avg10=1.50 avg60=0 avg300=0 total=1\nfull avg10=0 avg60=0 avg300=0 total=0\n") == {
        series("psi_io_some_pct"): 1.5
    }
    stat = "12 (a (b) c) S 1 1 1 0 -1 4194304 1 1 1 1 30 20 6 4 20 0 1 0 100"
    assert own.parse_cpu_ms(stat) == 60 * 1000 // os.sysconf("SC_CLK_TCK")
    assert own.parse_rss("Name:\tx\nVmRSS:\t  1024 kB\n") == 1024 * 1024


# Services


def test_systemd_states_are_told_apart() -> None:
    found = {one.unit: one for one in parse_show(recorded("systemctl-show.txt"), boot_wall_ms=1_000_000)}

    assert {unit: one.state for unit, one in found.items()} == {
        "nginx.service": "running",
        "backup.service": "failed",
        "flapping.service": "failed",
        "nothere.service": "unknown",
    }
    assert (found["nginx.service"].pid, found["nginx.service"].since_ms) == (812, 1_015_000)
    assert found["backup.service"].detail == "failed/failed/exit-code"
    assert [one.enabled for one in found.values()] == [True, None, False, None]


def test_units_that_are_not_installed_are_no_services() -> None:
    text = "nginx.service loaded active running A server\nghost.service not-found inactive dead ghost.service\n"

    assert parse_units(text) == ["nginx.service"]


def test_all_units_cost_one_subprocess(tmp_path: Path) -> None:
    calls: list[Any] = []

    class Recorder:
        def run(self, argv: Any, *, timeout_s: float = 30) -> Output:
            calls.append(argv)
            return Output(0, recorded("systemctl-show.txt"))

    machine = Machine(root=tmp_path, executor=Recorder(), clock=FixedClock(NOW_MS))
    found = Systemd(machine).statuses(["nginx.service", "backup.service", "other.service"])

    assert len(calls) == 1
    assert found["other.service"].state == "unknown"
    assert Systemd(machine).argv("nginx.service", "restart") == ["systemctl", "--no-ask-password", "restart", "--", "nginx.service"]


@pytest.mark.parametrize(
    ("code", "state"), [(0, "running"), (1, "failed"), (2, "failed"), (3, "stopped"), (4, "unknown"), (127, "unknown")]
)
def test_exit_codes_mean_what_lsb_says(code: int, state: str) -> None:
    assert lsb_state(code) == state


def test_a_script_without_status_is_never_asked(tmp_path: Path) -> None:
    folder = tmp_path / "etc/init.d"
    folder.mkdir(parents=True)
    (folder / "wipe").write_text("#!/bin/sh\ncase $1 in *) touch wiped;; esac\n")
    (folder / "web").write_text('#!/bin/sh\n# Short-Description: the web\ncase "$1" in\n  status)\n    echo fine; exit 0 ;;\nesac\n')
    for script in folder.iterdir():
        script.chmod(0o755)
    (tmp_path / "etc/rc2.d").mkdir()
    (tmp_path / "etc/rc2.d/S01web").touch()

    found = {one.unit: one for one in SysV(Machine(root=tmp_path, clock=FixedClock(NOW_MS))).inventory()}

    assert (found["wipe"].state, found["wipe"].detail) == ("unknown", "the script has no status")
    assert (found["web"].state, found["web"].detail, found["web"].description) == ("running", "fine", "the web")
    assert (found["web"].enabled, found["wipe"].enabled) == (True, False)


class Status:
    """A status command that counts how often it was run."""

    def __init__(self, output: Output | None = None) -> None:
        self.output = output or Output(0, "running (pid 42)")
        self.calls = 0

    def run(self, argv: Any, *, timeout_s: float = 30) -> Output:
        self.calls += 1
        return self.output


def test_a_living_process_spares_the_status_command_and_its_death_is_seen_at_once(tmp_path: Path) -> None:
    clock, status, alive = FixedClock(NOW_MS), Status(), {42: "777"}
    watch = Watch(Machine(root=tmp_path, executor=status, clock=clock), alive.get)
    watch.follow([Definition("web", "web", "argv", status=("/opt/web/ctl", "status"))])
    assert [one["state"] for one in watch.look()] == ["running"]

    for _ in range(5):
        clock.advance(2)
        assert watch.look() == []
    assert status.calls == 1

    alive.clear()
    status.output = Output(3, "not running")
    clock.advance(2)
    assert [(one["state"], one["since"]) for one in watch.look()] == [("stopped", clock.wall_ms())]
    assert watch.ups() == {"web": 0}


def test_a_reused_process_number_is_not_taken_for_the_service(tmp_path: Path) -> None:
    clock, status, alive = FixedClock(NOW_MS), Status(), {42: "777"}
    watch = Watch(Machine(root=tmp_path, executor=status, clock=clock), alive.get)
    watch.follow([Definition("web", "web", "argv", status=("/opt/web/ctl", "status"))])
    watch.look()
    alive[42] = "999"
    status.output = Output(1, "")

    assert [one["state"] for one in watch.look()] == ["failed"]


def a_process(root: Path, pid: int, started: str, *argv: str) -> None:
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a b) c) S 1 {' '.join(['0'] * 17)} {started} 0 0")
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))


def a_watch(root: Path, status: Status, clock: FixedClock, **more: tuple[str, ...]) -> Watch:
    watch = Watch(Machine(root=root, executor=status, clock=clock))
    watch.follow([Definition("web", "web", "argv", status=("/opt/web/ctl", "status"), **more)])
    return watch


def looks(watch: Watch, clock: FixedClock, count: int) -> list[str]:
    """Look so often, two seconds apart; return the states that were reported."""
    reported = []
    for _ in range(count):
        clock.advance(2)
        reported += [str(one["state"]) for one in watch.look()]
    return reported


@pytest.mark.parametrize("before", [(), ("/usr/bin/python3",), ("/usr/bin/env", "python3")])
def test_a_process_with_the_start_command_is_the_service(tmp_path: Path, before: tuple[str, ...]) -> None:
    a_process(tmp_path, 7, "70", "/opt/web/server", "start")
    a_process(tmp_path, 8, "80", "/opt/web/server", "status")
    a_process(tmp_path, 9, "90", *before, "/opt/web/server", "start", "-f")
    clock, status = FixedClock(NOW_MS), Status(Output(0, "fine"))
    watch = a_watch(tmp_path, status, clock, start=("/opt/web/server", "start", "-f"))
    watch.look()

    assert (looks(watch, clock, 9), status.calls) == ([], 1)
    status.output = Output(3, "")
    shutil.rmtree(tmp_path / "proc/9")
    assert (looks(watch, clock, 1), status.calls) == (["stopped"], 2)


def test_any_lost_process_of_a_service_is_a_reason_to_ask(tmp_path: Path) -> None:
    a_process(tmp_path, 7, "70", "/opt/web/server")
    a_process(tmp_path, 8, "80", "/opt/web/server")
    clock, status = FixedClock(NOW_MS), Status(Output(0, "fine"))
    watch = a_watch(tmp_path, status, clock, start=("/opt/web/server",))
    watch.look()
    shutil.rmtree(tmp_path / "proc/8")

    assert (looks(watch, clock, 3), status.calls) == ([], 2)


@pytest.mark.parametrize(
    ("path", "stop"), [("srv/web.pid", ("kill", "--pid-file=/srv/web.pid")), ("run/web.pid", ()), ("run/web/web.pid", ())]
)
def test_a_pid_file_names_the_service(tmp_path: Path, path: str, stop: tuple[str, ...]) -> None:
    a_process(tmp_path, 7, "70", "web: master")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("7\n")
    clock, status = FixedClock(NOW_MS), Status(Output(0, "fine"))
    watch = a_watch(tmp_path, status, clock, start=("/opt/web/server",), stop=stop)
    watch.look()

    assert (looks(watch, clock, 9), status.calls) == ([], 1)


def test_a_service_that_hangs_with_its_process_alive_is_seen_at_the_next_full_look(tmp_path: Path) -> None:
    a_process(tmp_path, 42, "70", "web")
    clock, status = FixedClock(NOW_MS), Status()
    watch = a_watch(tmp_path, status, clock)
    watch.look()
    status.output = Output(1, "does not answer (pid 42)")

    assert (looks(watch, clock, 9), status.calls) == ([], 1)
    assert (looks(watch, clock, 1), status.calls) == (["failed"], 2)


def test_a_service_whose_process_nobody_knows_is_asked_less_often_once_it_has_settled(tmp_path: Path) -> None:
    clock, status = FixedClock(NOW_MS), Status(Output(0, "fine"))
    watch = a_watch(tmp_path, status, clock)
    watch.look()

    looks(watch, clock, 29)
    assert status.calls == 30  # every two seconds for a minute
    looks(watch, clock, 15)
    assert status.calls == 33  # then every ten

    watch.hurry()
    looks(watch, clock, 5)
    assert status.calls == 38  # closely again while something is done to it


# Subprocesses


def test_a_tool_gets_a_plain_locale_and_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("SECRET", "x")

    text = SystemExecutor().run(["env"]).stdout

    assert "LC_ALL=C\n" in text
    assert "SECRET" not in text
    assert "LD_PRELOAD" not in text


def test_a_tool_that_hangs_or_is_missing_is_an_error_of_its_own() -> None:
    with pytest.raises(ToolTimedOut):
        SystemExecutor().run(["sleep", "60"], timeout_s=0.1)
    with pytest.raises(ToolMissing):
        SystemExecutor().run(["/nonexistent/tool"])


def test_a_scratch_folder_goes_with_what_it_holds_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with scratch.folder() as path:
        here = Path(path)
        assert here.stat().st_mode & 0o777 == 0o700
        (here / "deep/deeper").mkdir(parents=True)
        (here / "deep/file").write_text("x")
        (here / "link").symlink_to(tmp_path)

    assert not here.exists()
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_scratch_file_has_no_name() -> None:
    with os.fdopen(scratch.unnamed_file(), "r+b") as file:
        assert os.fstat(file.fileno()).st_nlink == 0


def test_a_flood_of_output_is_cut_at_the_cap() -> None:
    output = SystemExecutor().run(["head", "-c", str(9 * 1024 * 1024), "/dev/zero"])

    assert (len(output.stdout), output.truncated) == (8 * 1024 * 1024, True)


# Log lines


def test_only_new_whole_lines_are_taken_and_rotation_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "var/log/syslog"
    log.parent.mkdir(parents=True)
    log.write_text("Jan  1 00:00:00 host cron[1]: the past\n")
    files = Files(Machine(root=tmp_path, clock=FixedClock(NOW_MS)))

    assert files.take() == ([], 0)
    with log.open("a") as stream:
        stream.write("Jan  1 00:00:01 host sshd[77]: error: whole\nJan  1 00:00:02 host half")
    assert [line["body"] for line in files.take()[0]] == ["error: whole"]
    log.rename(log.with_suffix(".1"))
    log.write_text("Jan  1 00:00:03 host app: rotated\n")
    assert [line["body"] for line in files.take()[0]] == ["rotated"]


def test_a_syslog_line_is_taken_apart_and_a_foreign_one_kept_whole() -> None:
    line = parse_syslog("2026-01-01T00:00:01.500+00:00 host sshd[77]: Failed password for root", "/var/log/auth.log", NOW_MS)
    assert (line["app"], line["pid"], line["severity"], line["ts"]) == ("sshd", 77, "err", (NOW_MS + 1500) * 1_000_000)

    foreign = parse_syslog("2026-01-01 00:00:01 upgrade libc6:amd64", "/var/log/dpkg.log", NOW_MS)
    assert (foreign["app"], foreign["body"]) == ("dpkg.log", "2026-01-01 00:00:01 upgrade libc6:amd64")


def test_a_journal_line_is_read_even_when_its_message_is_no_text() -> None:
    first, second = (parse_journal(line.encode()) for line in recorded("journal.jsonl").splitlines())

    assert first == {
        "ts": 1_767_225_600_123_456_000,
        "origin": "journal",
        "severity": "err",
        "app": "nginx",
        "pid": 812,
        "body": "upstream timed out",
    }
    assert second is not None
    assert (second["app"], second["body"]) == ("app.service", "hi\ufffd")
    assert parse_journal(b"not json") is None


def test_lines_beyond_the_rate_are_counted() -> None:
    cap = RateCap(per_minute=3)
    lines: list[dict[str, object]] = [{"n": number} for number in range(5)]

    assert cap.admit(lines, 0) == (lines[:3], 2)
    assert cap.admit(lines, 30_000) == ([], 5)
    assert cap.admit(lines, 60_000) == (lines[:3], 2)
