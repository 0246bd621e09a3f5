"""The networked half against a server in memory: enrolment, polls, streams, offline time, lies on the wire."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.authority.embedded import Embedded
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.facts.catalogue import GROUPS
from mainstay_agent.helper.frames import REQUEST_BYTES_MAX
from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.host.ed25519 import verify
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import Output, ToolMissing
from mainstay_agent.net import enrolment, identity
from mainstay_agent.net.admission import AskedKey, transcript_json
from mainstay_agent.net.agent import Device, Parts
from mainstay_agent.net.enrolment import Candidate
from mainstay_agent.net.exchange import Response
from mainstay_agent.net.identity import Home
from mainstay_agent.net.inventory import Inventory
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_agent.net.spool import Spool
from mainstay_trust import canonical, dsse, enrol, notes
from mainstay_trust.errors import Rejected
from mainstay_trust.notes import COSIGNER_KEY, Vkey
from mainstay_trust.orders import Unfreeze
from tests.agent.fakes import DEVICE, NOW, TENANT, FakeServer, RecordingLauncher, Tenancy, pair


class ScriptedExecutor:
    """Answers status commands with the code that the test set."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {"/opt/web/ctl": 0}
        self.calls = 0

    def run(self, argv: Any, *, timeout_s: float = 30) -> Output:
        self.calls += 1
        if argv[0] not in self.codes:
            raise ToolMissing(argv[0])
        return Output(self.codes[argv[0]], "")


class NoFacts:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def collect(self, groups: Any) -> list[dict[str, object]]:
        return [{"group": name, "collected_at": NOW, "value": self.values.get(name, {"n": 1})} for name in groups]


class World:
    """One device, its root half, its server."""

    def __init__(self, folder: Path, clock: FixedClock, open_helper: Callable[[], Any], tenancy: Tenancy) -> None:
        self.clock, self.tenancy = clock, tenancy
        self.server = FakeServer(tenancy, clock)
        self.home = Home(folder / "agent")
        self.root = Embedded(open_helper(), Peer(0, is_trusted=True))
        self.executor = ScriptedExecutor()
        self.machine = Machine(root=fake_root(folder / "root"), executor=self.executor, clock=clock)
        self.facts = NoFacts()
        self.device: Device

    def enrol(self) -> None:
        candidate = Candidate(self.home.key("transport"), self.home.key("witness"), AskedKey(self.root), {"hostname": "elm-ehr1"}, True)
        joined = enrolment.join(self.server, self.server.url, self.server.code, candidate)
        self.root.ask(
            "docs",
            {
                "op": "enrol",
                "receipt": joined.receipt.body,
                "code": str(self.server.code),
                "transcript": transcript_json(joined.transcript),
                "mac": joined.server_mac,
            },
        )
        identity.save(self.home, joined.receipt)

    def start(self) -> Device:
        receipt = identity.load(self.home)
        assert receipt is not None
        spool = Spool(self.home.spool, self.clock)
        parts = Parts(
            machine=self.machine,
            home=self.home,
            receipt=receipt,
            exchange=self.server,
            side_exchange=self.server,
            authority=Embedded(self.root.authority, Peer(1001, is_trusted=False)),
            spool=spool,
            inventory=Inventory(spool, self.facts, self.clock, lambda low, high: (low + high) / 2),
            logs=None,
            draw=lambda low, high: low,
            has_helper=True,
        )
        self.device = Device(parts)
        return self.device

    def drain(self) -> None:
        while self.device.send():
            continue


def fake_root(root: Path) -> Path:
    files = {
        "proc/stat": "cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 10 0 10 80 0 0 0 0 0 0\nbtime 1767220000\nprocs_running 1\nprocs_blocked 0\n",
        "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 400 kB\nCached: 100 kB\nSwapTotal: 0 kB\n",
        "proc/loadavg": "0.10 0.20 0.30 1/100 4321\n",
        "proc/uptime": "3600.00 7000.00\n",
        "proc/self/mountinfo": "",
        "proc/sys/kernel/random/boot_id": "b1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def world(tmp_path: Path, clock: FixedClock, open_helper: Callable[[], Any], tenancy: Tenancy) -> World:
    world = World(tmp_path, clock, open_helper, tenancy)
    world.enrol()
    world.start()
    return world


# Enrolment


def test_a_typed_code_brings_identity_root_and_policy(world) -> None:
    status = world.root.ask("query", {})

    assert (status["device"], status["root_version"], status["policy_epoch"]) == (DEVICE, 1, 1)
    assert world.server.device_keys["evidence"] == status["evidence"]
    assert identity.load(world.home).device == DEVICE


def test_a_server_that_does_not_know_the_code_is_not_believed(tmp_path, clock, open_helper, tenancy) -> None:
    world = World(tmp_path, clock, open_helper, tenancy)
    world.server.code = enrol.parse_code("4Q7K-0000-0000-0000-0000")
    typed = enrol.parse_code("4Q7K-2M1P-9XTW-0HJD-5RSV")
    candidate = Candidate(pair(9), pair(10), AskedKey(world.root), {}, True)

    with pytest.raises(Rejected, match="wrong_code"):
        enrolment.join(world.server, world.server.url, typed, candidate)
    assert identity.load(world.home) is None
    assert world.server.device_keys == {}


def test_a_stranger_between_agent_and_server_is_noticed_before_anything_is_told(tmp_path, clock, open_helper, tenancy) -> None:
    world = World(tmp_path, clock, open_helper, tenancy)
    world.server.spki, world.server.claimed_spki = "11" * 32, "22" * 32
    candidate = Candidate(pair(9), pair(10), AskedKey(world.root), {}, True)

    with pytest.raises(Rejected, match="pin_mismatch"):
        enrolment.join(world.server, world.server.url, world.server.code, candidate)
    assert world.server.device_keys == {}


def test_a_networked_half_without_roots_rights_brings_identity_but_no_root(tmp_path, clock, open_helper, tenancy) -> None:
    world = World(tmp_path, clock, open_helper, tenancy)
    world.root = Embedded(world.root.authority, Peer(1001, is_trusted=False))
    world.enrol()

    status = world.root.ask("query", {})
    assert (status["device"], status["root_version"]) == (DEVICE, 0)


# Polls


def test_the_first_poll_carries_a_heartbeat_and_its_samples_with_their_names(world) -> None:
    world.device.tick()
    world.device.poll()

    poll = world.server.polls[0]
    assert poll["hb"]["policy_epoch"] == 1
    assert poll["hb"]["chain"] == {"seq": 0, "hash": "0" * 64}
    assert poll["wait_s"] == 0
    named = [metric for metric, _ in poll["samples"]["series"]]
    assert {"memory_available_pct", "load1", "service_up", "agent_spool_bytes"} <= set(named)
    listed = canonical.encode(poll["samples"]["series"])
    assert poll["samples"]["dict"] == hashlib.sha256(listed).hexdigest()
    assert [len(column) for column in poll["samples"]["v"]] == [1] * len(named)


def test_names_travel_once_until_the_server_has_lost_them(world) -> None:
    def one_poll() -> dict[str, Any]:
        world.clock.advance(10)
        world.device.tick()
        world.device.poll()
        return world.server.polls[-1]["samples"]

    one_poll(), one_poll()
    settled = one_poll()
    world.server.need_dict = True
    one_poll()
    world.server.need_dict = False

    assert settled["series"] is None
    assert one_poll()["series"] is not None


def test_a_poll_without_answer_is_repeated_byte_for_byte(world) -> None:
    world.device.tick()
    world.server.loses_replies = 1
    with pytest.raises(Unreachable, match="timeout"):
        world.device.poll()
    world.clock.advance(10)
    world.device.tick()

    world.device.poll()
    world.device.poll()

    first, second, third = world.server.polls
    assert first == second
    assert third["seq"] == first["seq"] + 1
    assert set(first["samples"]["t"]).isdisjoint(third["samples"]["t"])


def test_after_an_outage_new_samples_go_first_and_none_is_lost_or_doubled(world) -> None:
    world.server.is_down = True
    taken = []
    for _ in range(200):
        world.device.tick()
        taken.append(world.clock.wall_ms())
        world.clock.advance(10)
    with pytest.raises(Unreachable):
        world.device.poll()

    world.server.is_down = False
    world.device.poll()
    world.drain()

    polled = world.server.polls[0]["samples"]["t"]
    late = [moment for batch in world.server.stream("backlog") for moment in batch["t"]]
    assert polled == taken[-90:]
    assert sorted(late + polled) == taken
    assert late == sorted(late)


def test_heartbeats_come_every_five_minutes_and_not_more_often(world) -> None:
    beats = []
    for _ in range(12):
        world.device.poll()
        beats.append(world.server.polls[-1]["hb"] is not None)
        world.clock.advance(60)

    assert beats == [True, False, False, False, False] * 2 + [True, False]


def test_hints_out_of_bounds_are_clamped_and_counted(world) -> None:
    world.server.hints = {"poll_s": 1, "sample_s": 0}
    world.device.poll()

    assert (world.device.hints.poll_s, world.device.hints.sample_s, world.device.hints.clamped) == (10, 1, 2)


# Lies on the wire


def test_a_reply_to_another_request_is_refused(world) -> None:
    world.server.twisted = lambda payload: payload | {"body_sha256": "0" * 64}
    with pytest.raises(Unreachable, match="reply_mismatch"):
        world.device.poll()

    world.server.twisted = lambda payload: payload | {"seq": (payload["seq"] or 0) + 1}
    with pytest.raises(Unreachable, match="reply_mismatch"):
        world.device.poll()


def test_a_reply_by_another_key_is_refused_the_server_key_included(world) -> None:
    for signer in (pair(0x66), world.tenancy.server):
        world.server.reply_signer = signer
        with pytest.raises(Unreachable, match="reply_mismatch"):
            world.device.poll()


def test_a_clock_that_is_off_is_corrected_by_the_servers_signed_time_and_reported(world) -> None:
    world.server.skew_s = 900
    world.device.poll()
    world.device.want_heartbeat()
    world.device.poll()

    assert world.device.link.retried_for_skew == 2
    assert world.server.polls[-1]["hb"]["clock_offset_ms"] == 900_500
    assert "clock_offset" in world.server.polls[-1]["hb"]["diag"]


def test_a_revoked_device_falls_silent(world) -> None:
    world.server.refusal = (403, "revoked")
    with pytest.raises(ServerRefused, match="revoked"):
        world.device.poll()
    assert world.device.is_revoked


# Commands


def test_a_command_runs_and_its_signed_result_reaches_the_server(world, launcher: RecordingLauncher) -> None:
    world.server.commands = [world.tenancy.deliver(world.tenancy.command())]
    world.device.poll()
    world.drain()

    decisions = [json.loads(_payload(one))["decision"] for one in world.server.results]
    assert decisions == ["started", "done"]
    assert launcher.effects == ["restart"]
    assert world.root.ask("log", {})["results"] == []


def test_results_wait_through_an_outage_and_are_sent_until_stored(world) -> None:
    world.server.commands = [world.tenancy.deliver(world.tenancy.command())]
    world.device.poll()
    world.server.is_down = True
    with pytest.raises(Unreachable):
        world.drain()
    assert len(world.root.ask("log", {})["results"]) == 2

    world.server.is_down = False
    world.drain()
    assert len(world.server.results) == 2


def test_two_commands_under_one_checkpoint_both_run(world, launcher) -> None:
    world.device.poll()
    commands = [world.tenancy.command(), world.tenancy.command("service.reload@1")]
    deliveries = [world.tenancy.deliver(command) for command in commands]
    for delivery, command in zip(deliveries, commands, strict=True):
        delivery |= world.tenancy.ledger.prove(command.encode(), world.tenancy.held)
    world.server.commands = deliveries
    world.device.poll()

    assert launcher.effects == ["restart", "reload"]


def test_a_proof_from_a_position_that_we_have_left_is_waited_for_and_is_no_alarm(world, launcher) -> None:
    world.device.poll()
    first = world.tenancy.deliver(world.tenancy.command())
    command = world.tenancy.command("service.reload@1")
    second = world.tenancy.deliver(command)
    world.server.commands = [first, second]
    world.device.poll()
    assert launcher.effects == ["restart"]

    world.device.poll()  # the heartbeat that names the new position
    world.server.commands = [second | world.tenancy.ledger.prove(command.encode(), world.tenancy.held)]
    world.device.poll()

    assert launcher.effects == ["restart", "reload"]
    assert world.root.ask("query", {})["ledger_alarm"] is None


def test_newer_documents_are_fetched_before_commands_are_judged(world, launcher) -> None:
    world.tenancy.epoch = 2
    world.server.docs = {"root": 1, "policy": 2}
    world.server.commands = [world.tenancy.deliver(world.tenancy.command())]
    world.device.poll()

    assert world.root.ask("query", {})["policy_epoch"] == 2
    assert launcher.effects == ["restart"]


def test_a_delivery_too_long_for_a_frame_costs_the_next_one_nothing(world, launcher) -> None:
    endless = {"envelope": {"payload": "A" * 300_000}, "proof": None, "leaf": None, "consistency": []}
    world.server.commands = [endless, world.tenancy.deliver(world.tenancy.command())]
    judge = world.device.parts.authority.ask

    class Framed:
        def ask(self, verb: str, body: Any) -> Any:
            if len(canonical.encode({"verb": verb, "body": body})) > REQUEST_BYTES_MAX:
                raise Rejected("too_large")
            return judge(verb, body)

    world.device.orders.authority = Framed()
    world.device.poll()

    assert launcher.effects == ["restart"]
    assert "document_refused:too_large" in world.device.heartbeat()["diag"]


def test_a_refused_document_is_reported_without_waiting_for_a_heartbeat(world) -> None:
    forged = world.tenancy.policy(epoch=2, signers=(world.tenancy.server,))
    world.tenancy.policy = lambda *_, **__: forged
    world.server.docs = {"root": 1, "policy": 2}
    world.device.orders.expects_results = False
    world.device.poll()
    world.drain()

    assert [json.loads(_payload(one))["reason"] for one in world.server.results] == ["threshold"]


@pytest.mark.parametrize("text", ["\u00b2", "9" * 5000, "-1", "soon"])
def test_a_senseless_wish_to_wait_is_none(world, text) -> None:
    def send(*arguments: Any) -> Response:
        answer = FakeServer.send(world.server, *arguments)
        return Response(503, {"retry-after": text}, b"busy") if arguments[1] == "/agent/v1/poll" else answer

    world.server.send = send
    with pytest.raises(Unreachable) as caught:
        world.device.poll()
    assert caught.value.retry_after_s is None


def test_a_watched_name_is_that_of_a_unit(world) -> None:
    world.server.hints = {"watch": ["web-2", "-H", "a\u0000b", "x y", 7, "u" * 200]}
    world.device.poll()

    assert world.device.hints.watch == ("web-2",)


# Witness


def test_a_heartbeats_checkpoint_is_stored_and_cosigned(world) -> None:
    world.device.poll()
    world.device.want_heartbeat()
    world.device.poll()

    line = world.server.polls[-1]["hb"]["cosignature"]
    signature = notes.parse_signature(line)
    witness = bytes.fromhex(world.server.device_keys["witness"])
    note = notes.parse_note(world.home.checkpoint.read_bytes())
    vkey = Vkey(f"mainstay-device/{DEVICE}", COSIGNER_KEY, witness)
    verified = notes.verify_note(note.with_signature(signature), [vkey], verify)
    assert [(one.vkey, one.timestamp) for one in verified] == [(vkey, NOW)]


def test_a_withheld_checkpoint_is_an_alarm_at_the_third_heartbeat(world, launcher) -> None:
    world.server.checkpoints = False
    for _ in range(3):
        world.device.want_heartbeat()
        world.device.poll()
    world.server.commands = [world.tenancy.deliver(world.tenancy.command())]
    world.device.poll()

    assert world.device.heartbeat()["diag"][-1] == "ledger_alarm:doubt"
    assert launcher.effects == []
    assert len(list(world.home.alarms.glob("*.json"))) == 1


# Services


def test_a_service_that_dies_is_reported_at_once_and_only_once(world) -> None:
    world.device.tick()
    world.executor.codes["/opt/web/ctl"] = 1
    world.clock.advance(2)
    is_urgent = world.device.tick()
    world.clock.advance(2)
    is_still_urgent = world.device.tick()
    world.drain()

    assert (is_urgent, is_still_urgent) == (True, False)
    states = [state["state"] for batch in world.server.stream("states") for state in batch]
    assert states == ["running", "failed"]


# Facts


def test_facts_are_sent_when_they_change_and_asked_for_when_lost(world) -> None:
    look_at_everything(world)
    world.drain()
    sent = [name for data in world.server.stream("facts") for name in data["groups"]]
    assert sorted(sent) == sorted(GROUPS)

    world.facts.values["os"] = {"n": 2}
    world.clock.advance(25 * 3600)
    look_at_everything(world)
    world.drain()
    assert list(world.server.stream("facts")[-1]["groups"]) == ["os"]

    world.server.want_groups = ["packages"]
    world.device.poll()
    world.drain()
    assert list(world.server.stream("facts")[-1]["groups"]) == ["packages"]
    assert world.server.stream("facts")[-1]["hash"] == world.device.heartbeat()["facts_hash"]


# Streams


def test_a_server_that_lost_part_of_a_stream_names_the_number_it_wants(world) -> None:
    for code in (1, 0, 1):
        world.executor.codes["/opt/web/ctl"] = code
        world.device.tick()
        world.clock.advance(2)
    world.drain()
    world.server._through.clear()
    world.server.ingested.clear()
    world.executor.codes["/opt/web/ctl"] = 0
    world.device.tick()

    world.drain()

    assert [(one["seq"], one["data"][0]["state"]) for one in world.server.ingested if one["stream"] == "states"] == [(1, "running")]


def test_without_its_root_half_the_agent_goes_on_observing(world) -> None:
    class Silent:
        def ask(self, verb: str, body: Any) -> Any:
            raise ConnectionError("nobody listens")

    silent = Silent()
    world.device.parts.authority = world.device.orders.authority = world.device.witness.authority = silent
    world.device.tick()
    world.device.poll()
    world.drain()

    assert world.server.polls[0]["samples"] is not None
    assert "helper_unreachable" in world.server.polls[0]["hb"]["diag"]


def test_a_request_that_the_server_cannot_read_is_dropped_with_a_gap_and_blocks_nothing(world) -> None:
    world.device.poll()
    world.server.refusal = (422, "bad_payload")
    world.server.refuses = lambda _target, given: given.get("stream") == "states"
    world.device.tick()
    world.drain()
    look_at_everything(world)
    world.drain()

    gaps = [row for one in world.server.ingested if one["stream"] == "gaps" for row in one["data"]]
    assert [(row["stream"], row["count"], row["reason"]) for row in gaps] == [("states", 1, "refused:bad_payload")]
    assert "facts" in {one["stream"] for one in world.server.ingested}
    assert world.device.parts.spool.oldest("states") is None


def test_results_that_the_server_cannot_read_are_kept_and_block_nothing(world, launcher) -> None:
    world.server.commands.append(world.tenancy.deliver(world.tenancy.command()))
    world.server.refusal = (422, "bad_payload")
    world.server.refuses = lambda target, _given: target.endswith("/results")
    world.device.poll()
    world.device.tick()
    world.drain()
    assert world.server.results == []
    assert "states" in {one["stream"] for one in world.server.ingested}
    assert "results_refused:bad_payload" in world.device.heartbeat()["diag"]

    world.server.refusal = None
    world.clock.advance(301)
    world.drain()
    assert len(world.server.results) == 2
    assert "results_refused:bad_payload" not in world.device.heartbeat()["diag"]


def test_orders_that_the_server_keeps_are_fetched_once(world) -> None:
    world.root.ask("freeze", {"for_s": 7200})
    world.clock.advance(180)
    order = Unfreeze(TENANT, (DEVICE,), NOW + 120, NOW + 3600, "the flood is over")
    world.server.orders = [dsse.seal(dsse.UNFREEZE, order.encode(), [world.tenancy.operator_keys[1].signer()]).as_json()]
    world.server.docs = {"root": None, "policy": None, "orders": "first"}

    world.device.poll()
    assert world.root.ask("query", {})["freeze"] is False

    world.root.ask("freeze", {"for_s": 7200})
    world.device.poll()
    assert world.root.ask("query", {})["freeze"] is True


class Away:
    """An authority whose process was killed: until it is back, nobody answers."""

    def __init__(self, asks: Any) -> None:
        self.asks, self.is_away = asks, True

    def ask(self, verb: str, body: Any) -> Any:
        if self.is_away:
            raise ConnectionError("the connection ended inside a frame")
        return self.asks.ask(verb, body)


def test_commands_that_came_while_the_root_half_was_away_are_handed_over_once_it_is_back(world, launcher) -> None:
    world.device.poll()
    away = Away(world.device.parts.authority)
    world.device.orders.authority = away
    world.server.commands.append(world.tenancy.deliver(world.tenancy.command()))
    world.device.poll()
    world.drain()
    assert launcher.effects == []

    away.is_away = False
    world.drain()
    world.drain()
    assert launcher.effects == ["restart"]
    assert world.device.orders.waiting == []


def look_at_everything(world: World) -> None:
    for _ in range(len(GROUPS)):
        world.device.look_at_facts()


def _payload(result: dict[str, Any]) -> bytes:
    return base64.b64decode(result["envelope"]["payload"])
