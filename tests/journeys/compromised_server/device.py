"""The device under attack: both halves of the agent as real processes, a canary, and services that count their starts.

Owns: the processes, the device's own chain as it reaches the thief and is verified link by link, what must not change.
Does not own: attacks (the tests), the wire.
Invariant: every decision that a test sees was signed by the evidence key and continues the chain.
"""

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mainstay_agent.host.ed25519 import verify
from mainstay_trust.keys import Key
from mainstay_trust.results import Head, Result, parse_result, verify_chain
from tests.agent.fakes import DEVICE, OTHER, service
from tests.agent.test_helper_process import SOURCE, WAIT_S, RunningHelper, eventually
from tests.journeys.compromised_server.people import People
from tests.journeys.compromised_server.thief import Thief
from tests.journeys.compromised_server.wire import Make, StolenServer

UNITS = ("web", "mail", "books", "shop")
READABLE_LOG = "/var/log/mainstay-compromised-server.log"
CONTROL = """#!/bin/sh
here=$(dirname "$0")
case "$1" in
start) echo "$2" >> "$here/starts"; : > "$here/up-$2" ;;
stop) rm -f "$here/up-$2" ;;
status) [ -e "$here/up-$2" ] || exit 3 ;;
esac
"""
BATCH = 24
Decision = tuple[str, str | None]


def look_at_shadow(thief: Thief) -> dict[str, Any]:
    """The smallest thing that every device refuses."""
    return thief.deliver(thief.command("logs.tail@1", {"source": "/etc/shadow", "lines": 1}))


def _batches(names: list[str]) -> list[list[str]]:
    return [names[begin : begin + BATCH] for begin in range(0, len(names), BATCH)]


def _noting(sent: dict[str, str], name: str, make: Make) -> Make:
    """Note under which hash of its payload an attack goes out."""

    def noted(thief: Thief) -> dict[str, Any]:
        delivery = make(thief)
        sent[hashlib.sha256(base64.b64decode(delivery["envelope"]["payload"])).hexdigest()] = name
        return delivery

    return noted


@dataclass
class Premises:
    """What stands on the machine beside the agent: the canary, and services that write a line whenever they are started."""

    folder: Path
    _canary: tuple[bytes, tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        self.control.write_text(CONTROL)
        self.control.chmod(0o755)
        self.canary.write_bytes(os.urandom(32))
        self._canary = self._look()

    @property
    def control(self) -> Path:
        return self.folder / "ctl"

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def starts(self) -> list[str]:
        path = self.folder / "starts"
        return path.read_text().split() if path.exists() else []

    @property
    def is_canary_untouched(self) -> bool:
        return self._look() == self._canary

    def rules(self) -> dict[str, Any]:
        """Return what people allow: four services here, one elsewhere, one log, one probe target, one window."""
        return {
            "services": [self._service(unit) for unit in UNITS] + [self._service("payroll", devices=[OTHER])],
            "log_sources": [READABLE_LOG],
            "probe_targets": ["127.0.0.1:9"],
            "windows": [{"id": "night", "zone": "Pacific/Auckland", "rrule": "FREQ=DAILY", "start": "22:00", "end": "06:00"}],
            "max_targets": 20,
        }

    def _service(self, unit: str, **changes: Any) -> dict[str, Any]:
        script = str(self.control)
        verbs = {verb: [script, verb, unit] for verb in ("start", "stop", "status")}
        return service(name=unit, unit=unit, **verbs, reload=None, allow=["restart"], **changes)

    def _look(self) -> tuple[bytes, tuple[int, ...]]:
        found = self.canary.stat()
        return self.canary.read_bytes(), (found.st_ino, found.st_mtime_ns, found.st_size, stat.S_IMODE(found.st_mode), found.st_uid)


class Victim:
    """One enrolled device with its stolen server."""

    def __init__(self, folder: Path, premises: Premises, people: People, *, has_root: bool = True) -> None:
        folder.mkdir(mode=0o700, parents=True)
        self.folder, self.premises, self.people = folder, premises, people
        self.thief = Thief()
        first = people.policy(1, self.thief.first_keys(), premises.rules())
        if not has_root:
            self.thief.server, self.thief.epoch = self.thief.retired, 0
        self.server = StolenServer(self.thief, people.root() if has_root else None, first if has_root else None)
        self.helper = RunningHelper(folder)
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCE,
            "MAINSTAY_AGENT_STATE": str(folder / "agent"),
            "MAINSTAY_HELPER_SOCKET": str(folder / "helper.sock"),
            "MAINSTAY_FREEZE_FILE": str(folder / "freeze"),
        }
        self._seen, self._head = 0, Head()
        self.call("join", self.server.url, "--code", str(self.server.code))
        (folder / "agent" / "agent.toml").write_text("[agent]\nlogs = false\n")
        self.net = subprocess.Popen([sys.executable, "-m", "mainstay_agent", "run"], env=self._environment)

    def call(self, *arguments: str) -> Any:
        argv = [sys.executable, "-m", "mainstay_agent", *arguments, "--json"]
        done = subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        return json.loads(done.stdout)

    def take_rotated_keys(self) -> None:
        """Let people rotate the server's key, and the device follow by itself."""
        self.server.policy = self.people.policy(2, self.thief.rotated_keys(), self.premises.rules())
        self.server.nudge()
        eventually(lambda: self.query()["policy_epoch"] == 2, "the device follows the new policy")

    def adopt_root_by_fingerprint(self) -> None:
        """Let a person bring the root to a device that joined without one."""
        self.server.root, self.server.policy = self.people.root(), self.people.policy(1, self.thief.first_keys(), self.premises.rules())
        self.call("trust", self.people.parsed_root.fingerprint)
        self.thief.epoch = 1

    def stop(self) -> None:
        self.server.stop()
        for process in (self.net, self.helper.process):
            if process.poll() is None:
                process.kill()
            process.wait(WAIT_S)

    # What the device says

    def query(self) -> dict[str, Any]:
        return dict(self.helper.client.ask("query", {}))

    @property
    def evidence(self) -> Key:
        return Key(bytes.fromhex(self.server.device_keys["evidence"]), DEVICE)

    def next_results(self, count: int) -> list[Result]:
        """Wait for so many new links, and verify that they continue the chain under the evidence key."""
        numbers = range(self._seen, self._seen + count)
        with self.server.changed:
            found = self.server.changed.wait_for(lambda: all(number in self.server.results for number in numbers), WAIT_S)
            assert found, f"links {list(numbers)} never came: {sorted(self.server.results)[-3:]}"
            envelopes = [self.server.results[number] for number in numbers]
        verdict = verify_chain(envelopes, self.evidence, verify, start=self._head)
        assert (verdict.bad_index, verdict.code) == (None, None)
        self._seen, self._head = self._seen + count, verdict.head
        return [parse_result(envelope.payload) for envelope in envelopes]

    def decides(self, *makes: Make, count: int | None = None) -> list[Decision]:
        """Deliver, and return the signed decisions."""
        self.server.send(*makes)
        return [(one.decision, one.reason) for one in self.next_results(count or len(makes))]

    def decides_each(self, makes: Mapping[str, Make]) -> dict[str, list[Decision]]:
        """Deliver many commands with few polls, and return what was decided about each; a decision names the payload it is about."""
        found: dict[str, list[Decision]] = {}
        for names in _batches(list(makes)):
            sent: dict[str, str] = {}
            with self.unharmed():
                self.server.send(*(_noting(sent, name, makes[name]) for name in names))
                for result in self.next_results(len(names)):
                    found.setdefault(sent.get(str(result.cmd), "?"), []).append((result.decision, result.reason))
        return found

    def goes_on(self) -> None:
        """Show that the device still polls, judges and answers."""
        assert self.decides(look_at_shadow) == [("refused", "not_allowed")]

    def next_heartbeat(self) -> dict[str, Any]:
        """Provoke a heartbeat: each command that the device was handed is followed by one."""
        with self.server.changed:
            before = len(self.server.heartbeats)
        self.goes_on()
        with self.server.changed:
            assert self.server.changed.wait_for(lambda: len(self.server.heartbeats) > before, WAIT_S)
            return self.server.heartbeats[-1]

    def status(self) -> dict[str, Any]:
        """Return what the networked half wrote down for `mainstay-agent status`."""
        path = self.folder / "agent" / "status.json"
        return json.loads(path.read_text()) if path.exists() else {}

    # What must hold

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Nothing was started, the canary is as it was, and both halves are the processes that they were."""
        before = self.premises.starts
        yield
        assert self.premises.starts == before
        assert self.premises.is_canary_untouched
        assert (self.net.poll(), self.helper.process.poll()) == (None, None)

    def restarts_once(self, unit: str, keep: Callable[[dict[str, Any]], None] = lambda delivery: None) -> None:
        """Run one honest command, which proves that this device can be made to act at all."""

        def make(thief: Thief) -> dict[str, Any]:
            delivery = thief.deliver(thief.command(params={"unit": unit}))
            keep(delivery)
            return delivery

        before = self.premises.starts
        assert self.decides(make, count=2) == [("started", None), ("done", None)]
        assert self.premises.starts == [*before, unit]
