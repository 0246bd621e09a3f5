"""What `mainstay doctor` says of the machine and the engines."""

import json
import os
import socket
from pathlib import Path

import psutil
import pytest

from mainstay.engines.accounts import Accounts
from mainstay.engines.checks import CHECKS, Check, Outcome, as_json, examine_all
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Unavailable
from tests.support.engines import RunningPostgres, RunningTelemetry


def outcome(layout: Layout, name: str) -> Outcome:
    return dict(examine_all(layout, [check for check in CHECKS if check.name == name]))[name]


def test_a_fresh_machine_fails_no_check_and_is_told_to_start(layout: Layout) -> None:
    seen = dict(examine_all(layout, [check for check in CHECKS if check.name not in ("front end", "ports")]))

    assert [name for name, one in seen.items() if one.state == "fail"] == []
    assert seen["processes"] == Outcome("warn", "Mainstay is not running", "mainstay up")


def test_a_taken_port_is_named_with_its_process_and_setting(layout: Layout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Layout.from_environment({"MAINSTAY_DATA": str(layout.data), "MAINSTAY_PORT": str(port)})

        seen = outcome(other, "ports")

    assert seen.state == "fail"
    assert seen.cause == f"{port} is used by {psutil.Process().name()} (process {os.getpid()})"
    assert "MAINSTAY_PORT" in seen.fix


def test_a_database_that_is_away_fails_with_its_cause(tmp_path: Path) -> None:
    away = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), "MAINSTAY_DATABASE_URL": "postgresql://a@127.0.0.1:1/b"})

    seen = outcome(away, "database")

    assert (seen.state, seen.cause.split(":")[0]) == ("fail", "the database does not answer")


def test_a_database_role_that_is_superuser_fails_with_the_sql_that_corrects_it(postgres_server: RunningPostgres, tmp_path: Path) -> None:
    wrong = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), "MAINSTAY_DATABASE_URL": postgres_server.url("admin")})
    right = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), "MAINSTAY_DATABASE_URL": postgres_server.url("app")})

    assert outcome(wrong, "database") == Outcome("fail", "the role postgres is a superuser", "run: ALTER ROLE postgres NOSUPERUSER")
    assert outcome(right, "database") == Outcome("ok", "PostgreSQL 18, role mainstay_app, LISTEN works")


def test_telemetry_is_asked_wherever_it_is(telemetry_server: RunningTelemetry, tmp_path: Path) -> None:
    there = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), "MAINSTAY_TELEMETRY_URL": telemetry_server.url})
    away = Layout.from_environment({"MAINSTAY_DATA": str(tmp_path), "MAINSTAY_TELEMETRY_URL": "http://127.0.0.1:1"})

    assert outcome(there, "telemetry").state == "ok"
    assert outcome(away, "telemetry") == Outcome("fail", "the external ClickHouse does not answer", "check telemetry.url and that server")


def test_a_key_that_others_may_read_fails_with_the_mode_change(layout: Layout) -> None:
    key = layout.keys / "server" / "current"
    key.parent.mkdir(parents=True)
    key.write_text("k")
    key.chmod(0o604)

    assert outcome(layout, "key files") == Outcome("fail", f"readable by everybody: {key}", f"chmod -R o= {layout.keys}")

    key.chmod(0o600)
    assert outcome(layout, "key files").state == "ok"


def test_a_check_that_cannot_run_is_a_failure_with_its_cause_and_the_rest_goes_on(layout: Layout) -> None:
    def broken(_layout: Layout) -> Outcome:
        raise Unavailable("x.y", "the question could not be asked")

    seen = list(examine_all(layout, [Check("broken", broken), Check("sound", lambda _layout: Outcome("ok", "fine"))]))

    assert [(name, one.state, one.cause) for name, one in seen] == [
        ("broken", "fail", "the question could not be asked"),
        ("sound", "ok", "fine"),
    ]
    assert json.loads(as_json(seen))["ok"] is False


@pytest.mark.skipif(os.geteuid() == 0, reason="as root every process has a user of its own")
def test_one_user_for_everything_is_a_warning_that_says_what_is_missing(layout: Layout) -> None:
    assert Accounts().is_separate is False
    assert outcome(layout, "separation").state == "warn"
