"""A telemetry engine of its own for each test that kills it, and clients for the shared one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from mainstay.engines import ground
from mainstay.engines.clickhouse.process import TelemetryProcess
from mainstay.engines.layout import Layout
from tests.support.engines import RunningTelemetry, engine_accounts, reachable_folder, start_telemetry


@pytest.fixture
def layout() -> Iterator[Layout]:
    """An empty installation."""
    with reachable_folder() as folder:
        yield Layout.from_environment({"MAINSTAY_DATA": str(folder / "data")})


@pytest.fixture
def own_telemetry(layout: Layout) -> Iterator[RunningTelemetry]:
    """A telemetry process that a test may kill."""
    accounts = engine_accounts()
    ground.prepare(layout, accounts)
    running = start_telemetry(TelemetryProcess(layout, accounts), layout)
    yield running
    running.child.stop()


@pytest.fixture
def clickhouse(telemetry_server: RunningTelemetry) -> Iterator[Client]:
    """A client of the shared engine, with a database of its own."""
    with telemetry_server.client() as client:
        client.command("DROP DATABASE IF EXISTS trial")
        client.command("CREATE DATABASE trial")
        yield client


@pytest.fixture
def samples(clickhouse: Client) -> str:
    """A durable table like those of the product."""
    clickhouse.command(
        "CREATE TABLE trial.samples (tenant UInt32, ts DateTime64(3, 'UTC'), value Float64, note String) ENGINE = MergeTree "
        "ORDER BY (tenant, ts) SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1"
    )
    return "trial.samples"


def log_of(layout: Layout, process: str) -> str:
    return Path(layout.log_file(process)).read_text()
