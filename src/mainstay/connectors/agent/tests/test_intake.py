"""The agent endpoint as a device meets it: through the ASGI application, with real keys and a real database."""

import asyncio
import base64
import gzip
import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from nacl.signing import SigningKey
from pytest_django import DjangoDbBlocker
from tests.support.engines import LAYOUT

from mainstay.connectors.agent.intake import app as intake_app
from mainstay.connectors.agent.intake import make_app
from mainstay.core.access.models import Tenant
from mainstay.core.access.services.tenants import next_number
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.automation.models import TrustOrder
from mainstay.domains.estate import queries as estate_queries
from mainstay.domains.estate import services as estate
from mainstay.domains.estate.models import Device, Fact, Refusal, UnitState
from mainstay.domains.estate.services import verify_ed25519
from mainstay.domains.telemetry import services as telemetry
from mainstay.domains.telemetry.models import StreamMark
from mainstay.domains.telemetry.services.spool import Position
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock, SystemClock
from mainstay.kernel.ids import from_base32
from mainstay_trust import canonical, dsse, enrol, httpsig
from mainstay_trust.keys import Key, key_id

SEED = bytes(range(32))
URL = "http://testserver"
SERIES = [["load1", {}]]
SERIES_HASH = hashlib.sha256(canonical.encode(SERIES)).hexdigest()


@dataclass
class Answered:
    status: int
    payload: dict[str, object]
    headers: dict[str, str]
    raw: bytes

    @property
    def data(self) -> dict[str, object]:
        return self.payload["data"]

    @property
    def code(self) -> str:
        return self.payload["error"]["code"]


@dataclass
class Server:
    """The application, called as an ASGI server calls it."""

    app: intake_app.AgentApp
    clock: FixedClock
    tenant: Tenant

    def call(self, method: str, path: str, body: bytes, headers: dict[str, str], *, parts: int = 1) -> Answered:
        return asyncio.run(self._call(method, path, body, headers, parts))

    async def _call(self, method: str, path: str, body: bytes, headers: dict[str, str], parts: int) -> Answered:
        size = -(-len(body) // parts) or 1
        waiting = [
            {"type": "http.request", "body": body[at : at + size], "more_body": at + size < len(body)}
            for at in range(0, max(len(body), 1), size)
        ]
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return waiting.pop(0)

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        listed = [(name.lower().encode(), value.encode()) for name, value in {**headers, "Host": "testserver"}.items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": listed, "scheme": "http"}
        self.app._wake._thread = self.app._wake._thread or object()  # no listener: nothing is pushed in these tests
        await self.app(scope, receive, send)
        raw = b"".join(part["body"] for part in sent[1:])
        return Answered(sent[0]["status"], self._opened(raw), {n.decode(): v.decode() for n, v in sent[0]["headers"]}, raw)

    def _opened(self, raw: bytes) -> dict[str, object]:
        envelope = dsse.parse(raw.strip(), bytes_max=2**20)
        assert dsse.signed_by(envelope, [Key(self.app._key.public, "reply")], verify_ed25519)
        return canonical.parse_object(envelope.payload)


@dataclass
class Agent:
    """An enrolled agent: it signs what it sends."""

    server: Server
    keys: dict[str, SigningKey]
    receipt: dict[str, object]
    seq: int = 0
    streams: dict[str, int] = field(default_factory=dict)

    @property
    def device(self) -> Device:
        with tenant_transaction(self.server.tenant.id):
            return Device.objects.get(id=from_base32(self.receipt["device"]))

    def send(
        self, method: str, path: str, value: object = None, *, skew_s: int = 0, raw: bytes | None = None, key: SigningKey | None = None
    ) -> Answered:
        body = raw if raw is not None else b"" if value is None else json.dumps(value).encode()
        signer = key or self.keys["transport"]
        headers = httpsig.sign_request(
            httpsig.Request(method, path, "", "application/json", body),
            keyid=key_id(bytes(signer.verify_key)),
            sign=lambda message: signer.sign(message).signature,
            created=int(self.server.clock.now().timestamp()) + skew_s,
        )
        return self.server.call(method, path, body, headers)

    def poll(self, *, boot: str = "boot-1", seq: int | None = None, **what: object) -> Answered:
        self.seq = self.seq + 1 if seq is None else self.seq
        return self.send("POST", "/agent/v1/poll", self.poll_body(self.seq if seq is None else seq, boot, **what))

    def poll_body(self, seq: int, boot: str = "boot-1", **what: object) -> dict[str, object]:
        return {"seq": seq, "wait_s": 0, "boot": boot, "samples": None, "states": [], "hb": None, **what}

    def ingest(self, stream: str, data: object, *, seq: int | None = None) -> Answered:
        if seq is None:
            seq = self.streams[stream] = self.streams.get(stream, 0) + 1
        return self.send("POST", "/agent/v1/ingest", {"stream": stream, "epoch": "e1", "seq": seq, "data": data})

    def samples(self, value: float = 1.0) -> dict[str, object]:
        now = int(self.server.clock.now().timestamp() * 1000)
        return {"dict": SERIES_HASH, "series": SERIES, "t": [now], "v": [[value]]}


@pytest.fixture
def tenant(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Tenant]:
    """A tenant of its own, committed: the endpoint opens its own transactions in threads of its own.

    Its rows stay behind the wall afterwards, where no other test sees them; the registry forgets it.
    """
    with django_db_blocker.unblock():
        made = Tenant.objects.create(
            kind="client",
            number=next_number(),
            name="Harbor Law LLP",
            slug=f"h{secrets.token_hex(6)}",
            prefix="HAR",
            created_at=SystemClock().now(),
        )
        Refusal.objects.all().delete()
        yield made
        Refusal.objects.all().delete()
        Tenant.objects.filter(id=made.id).update(closed_at=SystemClock().now())
        connections.close_all()


@pytest.fixture
def server(tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    clock = FixedClock(SystemClock().now().replace(microsecond=0))
    app = make_app(SEED, LAYOUT, clock=clock)
    telemetry.start_recorder(tmp_path / "spool")
    # The sequencer does not run here; the receipt then says that the index is not known yet.
    monkeypatch.setattr("mainstay.connectors.agent.intake.enrolment.LEDGER_WAIT_S", 0.0)
    yield Server(app, clock, tenant)
    app._threads.submit(connections.close_all).result(5)
    app._threads.shutdown()
    telemetry.stop_recorder()


def code_of(server: Server, **what: object) -> enrol.Code:
    with tenant_transaction(server.tenant.id):
        actor = actors.system("setup", server.tenant.id)
        return enrol.parse_code(estate.create_enrol_token(actor=actor, clock=server.clock, **what).code)


def plain(server: Server, path: str, value: object) -> Answered:
    return server.call("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})


def join_body(server: Server, code: enrol.Code, keys: dict[str, SigningKey], **changes: object) -> dict[str, object]:
    hello = plain(server, "/agent/v1/enrol/hello", {"id": code.code_id, "na": "ab" * 16, "url": URL}).data
    transcript = enrol.Transcript(code.code_id, "ab" * 16, hello["ns"], hello["spki"], hello["root"], URL)
    assert hello["mac"] == enrol.server_mac(code.key, transcript)
    proofs = {name: key.sign(enrol.possession_message(name, transcript)).signature for name, key in keys.items()}
    return {
        "id": code.code_id, "na": "ab" * 16, "ns": hello["ns"], "mac": enrol.agent_mac(code.key, transcript),
        "keys": {name: bytes(key.verify_key).hex() for name, key in keys.items()},
        "proofs": {name: base64.b64encode(proof).decode() for name, proof in proofs.items()},
        "machine": {"machine_id_hash": "m" * 64, "hostname": "harbor-dc1", "macs": [], "boot_id": "boot-1"},
        "helper": False, "version": "0.1.0", **changes,
    }  # fmt: skip


def enrolled(server: Server, **what: object) -> Agent:
    keys = {name: SigningKey.generate() for name in enrol.PURPOSES}
    answer = plain(server, "/agent/v1/enrol/join", join_body(server, code_of(server, **what), keys))
    assert answer.status == 200, answer.payload
    return Agent(server, keys, answer.data)


@pytest.fixture
def agent(server: Server) -> Agent:
    return enrolled(server)


def refused(server: Server) -> dict[str, int]:
    return estate_queries.refused_since(server.clock.now())


def rows_in_spool() -> int:
    spool = telemetry.recorder().spool
    return sum(one.record.rows for one in spool.read(Position(0, 0), spool.durable) if one.record.table == 1)


def test_a_device_joins_and_learns_whose_answers_to_believe(server: Server, agent: Agent) -> None:
    assert agent.receipt["tenant"] == "".join(agent.receipt["tenant"])
    assert agent.receipt["keys"]["reply"] == [server.app._key.public.hex()]
    assert (agent.device.name, agent.receipt["state"], agent.receipt["poll_s"]) == ("harbor-dc1", "active", 10)


def test_a_wrong_code_is_counted_and_the_fifth_ends_it(server: Server) -> None:
    code = code_of(server, uses=3)
    keys = {name: SigningKey.generate() for name in enrol.PURPOSES}
    body = join_body(server, code, keys, mac="0" * 64)

    codes = [plain(server, "/agent/v1/enrol/join", body).code for _ in range(6)]

    assert codes == ["enrol_bad_mac"] * 5 + ["code_void"]
    assert refused(server) == {"enrol_bad_mac": 5, "code_void": 1}


def test_a_poll_stores_its_samples_and_names_what_to_watch(server: Server, agent: Agent) -> None:
    with tenant_transaction(server.tenant.id):
        admin = actors.Actor(
            kind=actors.ActorKind.PERSON, ref="p:t", tenant=server.tenant.id, via=actors.Via.WEB, roles=frozenset({"owner"})
        )
        estate.set_watch(actor=admin, device_id=agent.device.id, units=["nginx.service"], clock=server.clock)

    answer = agent.poll(samples=agent.samples())

    assert (answer.status, answer.payload["seq"]) == (200, 1)
    assert answer.data["hints"] == {"poll_s": 10, "sample_s": 10, "watch": ["nginx.service"]}
    assert (answer.data["commands"], answer.data["need_dict"]) == ([], False)
    assert rows_in_spool() == 1


def test_a_poll_that_is_sent_again_stores_nothing_twice(agent: Agent) -> None:
    agent.poll(samples=agent.samples())

    again = agent.poll(seq=1, samples=agent.samples())

    assert again.status == 200
    assert rows_in_spool() == 1
    assert agent.device.state == "active"


def test_an_unknown_list_of_series_is_asked_for_together_with_what_was_lost(agent: Agent) -> None:
    answer = agent.poll(samples={**agent.samples(), "series": None})

    assert answer.data["need_dict"] is True
    assert answer.data["hints"]["resend_from_ms"] == agent.samples()["t"][0]
    assert rows_in_spool() == 0


def test_an_old_poll_replayed_by_somebody_is_refused_and_nobody_is_quarantined(server: Server, agent: Agent) -> None:
    body = json.dumps(agent.poll_body(1)).encode()
    agent.send("POST", "/agent/v1/poll", raw=body)
    agent.seq = 1
    agent.poll()

    replayed = agent.send("POST", "/agent/v1/poll", raw=body)

    assert (replayed.status, replayed.code) == (409, "replayed")
    assert agent.device.state == "active"
    assert refused(server) == {"replayed": 1}


@pytest.mark.parametrize("second", [{"seq": 1, "boot": "boot-9"}, {"seq": 3, "boot": "boot-1"}])
def test_a_second_agent_with_the_key_quarantines_the_device(server: Server, agent: Agent, second: dict[str, object]) -> None:
    agent.poll(boot="boot-1")
    agent.poll(boot="boot-2")

    agent.poll(**second)

    device = agent.device
    assert device.state == "quarantined"
    assert device.state_reason.startswith("clone:")
    assert refused(server) == {"clone_suspected": 1}
    assert agent.poll(boot="boot-2").status == 200


def test_streams_acknowledge_in_order_and_refuse_a_hole(agent: Agent) -> None:
    state = {
        "unit": "nginx.service",
        "manager": "systemd",
        "state": "running",
        "since": 1_700_000_000_000,
        "seen": 1_700_000_000_000,
        "detail": "",
    }

    assert agent.ingest("states", [state]).data == {"ack_through": 1}
    assert agent.ingest("states", [state], seq=1).data == {"ack_through": 1}
    hole = agent.ingest("states", [state], seq=5)

    assert (hole.status, hole.code, hole.payload["error"]["expected"]) == (409, "out_of_order", 2)
    with tenant_transaction(agent.server.tenant.id):
        assert UnitState.objects.values_list("unit", "state").get() == ("nginx.service", "running")
        assert StreamMark.objects.get().last_seq == 1


def test_facts_and_logs_are_stored_before_they_are_acknowledged(agent: Agent) -> None:
    value = {"id": "debian", "name": "Debian 12"}
    group = {"sha256": hashlib.sha256(canonical.encode(value)).hexdigest(), "collected_at": 1_700_000_000, "value": value}
    now_ns = int(agent.server.clock.now().timestamp() * 1e9)

    assert agent.ingest("facts", {"groups": {"os": group}, "hash": "x"}).data == {"ack_through": 1}
    assert agent.ingest("logs", [{"ts": now_ns, "origin": "journal", "severity": 3, "app": "a", "pid": 1, "body": "b"}]).data == {
        "ack_through": 1
    }

    with tenant_transaction(agent.server.tenant.id):
        assert Fact.objects.get().body == value


def test_the_deepest_fact_of_a_real_device_fits_the_limit(agent: Agent) -> None:
    value = {"interfaces": [{"name": "eth0", "addresses": [{"address": "192.0.2.7", "prefix": 24, "family": "ipv4"}]}]}
    group = {"sha256": hashlib.sha256(canonical.encode(value)).hexdigest(), "collected_at": 1_700_000_000, "value": value}

    assert agent.ingest("facts", {"groups": {"net": group}, "hash": "x"}).data == {"ack_through": 1}


def test_a_fact_with_a_wrong_hash_moves_no_mark(agent: Agent) -> None:
    group = {"sha256": "0" * 64, "collected_at": 1, "value": {"id": "x"}}

    answer = agent.ingest("facts", {"groups": {"os": group}, "hash": "x"})

    assert (answer.status, answer.code) == (422, "estate.fact_hash")
    with tenant_transaction(agent.server.tenant.id):
        assert StreamMark.objects.count() == 0


def test_a_clock_that_is_wrong_learns_the_servers_time(server: Server, agent: Agent) -> None:
    answer = agent.send("POST", "/agent/v1/poll", agent.poll_body(1), skew_s=301)

    assert (answer.status, answer.code) == (401, "clock_skew")
    assert answer.payload["t"] == int(server.clock.now().timestamp())
    assert refused(server) == {"clock_skew": 1}


def test_a_stranger_and_a_forged_signature_are_refused_and_counted(server: Server, agent: Agent) -> None:
    stranger = agent.send("POST", "/agent/v1/poll", agent.poll_body(1), key=SigningKey.generate())
    body = json.dumps(agent.poll_body(1)).encode()
    other = httpsig.sign_request(
        httpsig.Request("POST", "/agent/v1/results", "", "application/json", body),
        keyid=key_id(bytes(agent.keys["transport"].verify_key)),
        sign=lambda message: agent.keys["transport"].sign(message).signature,
        created=int(server.clock.now().timestamp()),
    )
    forged = server.call("POST", "/agent/v1/poll", body, other)
    unsigned = server.call("POST", "/agent/v1/poll", body, {"Content-Type": "application/json"})
    changed = server.call("POST", "/agent/v1/poll", body + b" ", {**other})

    assert [one.code for one in (stranger, forged, unsigned, changed)] == [
        "unknown_key",
        "bad_signature",
        "bad_signature",
        "digest_mismatch",
    ]
    assert refused(server) == {"unknown_key": 1, "bad_signature": 2, "digest_mismatch": 1}
    assert agent.device.poll_seq == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"seq":1}' * 2, b"[" * 5000, b'{"a":' * 11 + b"1" + b"}" * 11])
def test_a_malformed_body_is_refused_and_changes_nothing(server: Server, agent: Agent, body: bytes) -> None:
    answer = agent.send("POST", "/agent/v1/poll", raw=body)

    assert (answer.status, answer.code) == (422, "bad_request")
    assert agent.device.poll_seq == 0
    assert refused(server) == {"bad_request": 1}


def test_an_oversized_body_is_refused_while_it_is_read(server: Server) -> None:
    answer = server.call("POST", "/agent/v1/ingest", b"x" * (4 * 1024 * 1024 + 1), {}, parts=20)

    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "too_large", "close")
    assert refused(server) == {"too_large": 1}


def test_a_gzip_bomb_is_refused_in_bounded_memory(server: Server) -> None:
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))

    answer = server.call("POST", "/agent/v1/ingest", bomb, {"Content-Encoding": "gzip"})

    assert (answer.status, answer.code) == (413, "too_large")


def test_a_revoked_device_is_told_so_by_a_signed_answer(server: Server, agent: Agent) -> None:
    with tenant_transaction(server.tenant.id):
        admin = actors.Actor(
            kind=actors.ActorKind.PERSON, ref="p:t", tenant=server.tenant.id, via=actors.Via.WEB, roles=frozenset({"owner"})
        )
        estate.revoke_device(actor=admin, device_id=agent.device.id, reason="lost", clock=server.clock)

    answer = agent.poll()

    assert (answer.status, answer.code) == (403, "revoked")


def test_a_pending_device_may_report_facts_but_its_samples_are_not_kept(server: Server) -> None:
    agent = enrolled(server, needs_approval=True)

    answer = agent.poll(samples=agent.samples())

    assert (answer.status, answer.data["commands"]) == (200, [])
    assert rows_in_spool() == 0


def test_a_heartbeat_is_answered_with_what_is_missing(server: Server, agent: Agent) -> None:
    beat = {"version": "0.1.0", "helper": True, "policy_epoch": None, "root_version": None, "chain": {"seq": 0, "hash": "0" * 64},
            "spool": {"bytes": 10, "dropped": 0}, "clock_offset_ms": 5, "freeze": False, "ckpt_size": 0, "facts_hash": "f" * 64,
            "diag": ["no_systemd"], "cosignature": None}  # fmt: skip

    answer = agent.poll(hb=beat)

    assert answer.status == 200, answer.payload
    assert "packages" in answer.data["want_groups"]
    assert (agent.device.has_helper, agent.device.diag) == (True, ["no_systemd"])


def test_the_answer_names_the_request_that_it_answers(agent: Agent) -> None:
    body = json.dumps(agent.poll_body(4)).encode()

    answer = agent.send("POST", "/agent/v1/poll", raw=body)

    assert (answer.payload["seq"], answer.payload["body_sha256"]) == (4, hashlib.sha256(body).hexdigest())


def test_documents_are_served_before_and_after_there_are_any(agent: Agent) -> None:
    assert agent.send("GET", "/agent/v1/docs").data == {"roots": [], "policy": None, "orders": []}
    assert agent.send("GET", f"/agent/v1/doc/{'0' * 64}").code == "not_found"


def test_kept_orders_are_announced_by_a_name_and_served_until_they_expire(server: Server, agent: Agent) -> None:
    before = agent.poll().data["docs"]
    now, envelope = server.clock.now(), {"payload": "e30=", "payloadType": dsse.UNFREEZE, "signatures": []}
    with tenant_transaction(server.tenant.id):
        TrustOrder.objects.create(
            tenant=server.tenant.id,
            kind="unfreeze",
            payload_sha256="5" * 64,
            envelope=envelope,
            issued_at=now,
            expires_at=now + timedelta(hours=1),
            adopted_at=now,
        )

    announced = agent.poll().data["docs"]
    served = agent.send("GET", "/agent/v1/docs").data["orders"]
    server.clock.forward(seconds=3601)

    assert (before["orders"], announced["orders"]) == (None, hashlib.sha256(b"5" * 64).hexdigest())
    assert served == [envelope]
    assert agent.poll().data["docs"]["orders"] is None


def test_an_address_that_is_not_there_is_a_signed_404(agent: Agent) -> None:
    answer = agent.send("POST", "/agent/v1/anything", {})

    assert (answer.status, answer.code) == (404, "not_found")
