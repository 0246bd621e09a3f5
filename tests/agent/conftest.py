"""Fixtures of the agent's tests: a tenant, a clock, an authority with or without a root half."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from mainstay_agent.authority.core import Authority
from mainstay_agent.authority.embedded import Embedded, open_authority
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.host.clocks import FixedClock
from tests.agent.fakes import NOW, RecordingLauncher, Tenancy, inline


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW * 1000, boot_ms=3_600_000)


@pytest.fixture
def tenancy() -> Tenancy:
    return Tenancy()


@pytest.fixture
def launcher() -> RecordingLauncher:
    return RecordingLauncher()


@pytest.fixture
def open_helper(tmp_path: Path, clock: FixedClock, launcher: RecordingLauncher) -> Callable[[], Authority]:
    """Open the root half's authority over the same folder: calling it again is a restart of the process."""

    def open_again() -> Authority:
        return open_authority(
            tmp_path / "helper",
            is_helper=True,
            clock=clock,
            launcher=launcher,
            spawn=inline,
            boot="b1",
            freeze=tmp_path / "freeze",
        )

    return open_again


@pytest.fixture
def helper(open_helper: Callable[[], Authority], tenancy: Tenancy) -> Embedded:
    """An enrolled root half with root and policy, spoken to by the networked half."""
    authority = open_helper()
    root = Embedded(authority, Peer(0, is_trusted=True))
    receipt = tenancy.receipt()
    root.ask("docs", {"op": "enrol", "receipt": receipt})
    fingerprint = authority_fingerprint(tenancy)
    root.ask("docs", {"op": "adopt", "fingerprint": fingerprint, "roots": receipt["roots"], "policy": receipt["policy"]})
    return Embedded(authority, Peer(1001, is_trusted=False))


def authority_fingerprint(tenancy: Tenancy) -> str:
    return sha256(tenancy.root().payload).hexdigest()
