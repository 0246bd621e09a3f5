"""One device: everything that the networked half does, as steps without threads or sleeping.

Owns: the parts of a device and the order of the steps `tick`, `poll` and `send`.
Does not own: when steps run (`net.runner`, or a simulator), what is judged (`authority`).
Invariant: clock, wire, authority and machine are passed in, so that a thousand devices fit into one process.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mainstay_agent import VERSION
from mainstay_agent.authority.asking import Asks
from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.machine import Machine
from mainstay_agent.net import batches
from mainstay_agent.net.backoff import Backoff
from mainstay_agent.net.contacts import Contacts
from mainstay_agent.net.exchange import Exchange
from mainstay_agent.net.hints import Hints, read_hints
from mainstay_agent.net.identity import Home, Receipt
from mainstay_agent.net.inventory import Inventory
from mainstay_agent.net.link import Link, Reply
from mainstay_agent.net.logs import LogSource, RateCap
from mainstay_agent.net.orders import Orders
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_agent.net.sending import UNREADABLE, Sender
from mainstay_agent.net.spool import Numbered, Spool
from mainstay_agent.net.watch import Watch
from mainstay_agent.net.witness import LedgerWitness
from mainstay_agent.samples.readings import series
from mainstay_agent.samples.sampler import Sampler
from mainstay_agent.services.model import Definition
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, public_from_hex

HEARTBEAT_MS = 300_000
TIDY_EVERY_MS = 300_000
BATCH_ROWS_MAX = 90
POLL_PATH, INGEST_PATH = "/agent/v1/poll", "/agent/v1/ingest"
POLL_MARGIN_S = 30.0
MISSED_MAX = 100_000
UNTRUSTED_REFRESH_MS = 5_000
RESULTS_AGAIN_MS = 300_000


@dataclass(slots=True)
class Parts:
    """What a device is made of."""

    machine: Machine
    home: Home
    receipt: Receipt
    exchange: Exchange  # for polls; a second one keeps urgent states from waiting behind a held poll
    side_exchange: Exchange
    authority: Asks
    spool: Spool
    inventory: Inventory
    logs: LogSource | None
    draw: Callable[[float, float], float]
    has_helper: bool
    helper_pid: Callable[[], int | None] = lambda: None
    watch: tuple[str, ...] = ()


@dataclass(slots=True)
class Cursor:
    """When the next of each periodic thing is due, in milliseconds of boot time."""

    sample: int = 0
    heartbeat: int = 0
    tidy: int = 0
    refresh: int = 0
    results: int = 0


class Device:
    """The steps may run on different threads, one thread per step."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.clock: Clock = parts.machine.clock
        self.hints = Hints()
        self.backoff = Backoff(parts.draw)
        self.side_backoff = Backoff(parts.draw)
        self.contacts = Contacts(parts.home.contacts, parts.receipt.url, self.clock)
        self.watch = Watch(parts.machine)
        self.sampler = Sampler(parts.machine, parts.helper_pid)
        self.orders = Orders(parts.authority)
        self.status: Mapping[str, JSON] = {}
        self.last_success_ms: int | None = None
        self.last_problem: str | None = None
        self.is_revoked = False
        self.is_helper_silent = False
        self.refused_results: str | None = None
        self._cursor = Cursor()
        self._rate = RateCap()
        self._missed: list[int] = []
        self._known_dicts: set[str] = set()
        transport, witness = parts.home.key("transport"), parts.home.key("witness")
        self.link = Link(parts.exchange, transport, self.clock, self.reply_keys)
        self.side_link = Link(parts.side_exchange, transport, self.clock, self.reply_keys)
        self.witness = LedgerWitness(parts.home, parts.authority, witness, parts.receipt.device, self.clock)
        self.orders.accuse = self.witness.accuse
        self._sender = Sender(parts.spool, parts.inventory, self.clock, self._post)
        self.refresh()

    def reply_keys(self) -> list[Key]:
        """Return the keys that may sign replies: those of the policy, else those of the receipt."""
        named = self.status.get("reply_keys")
        if isinstance(named, list | tuple) and named:
            return [Key(public_from_hex(public), "reply") for public in named]
        return list(self.parts.receipt.keys("reply"))

    def refresh(self) -> None:
        """Ask the authority what it holds, and watch the services that its policy names."""
        self._ask_status({})
        self.contacts.follow(self.status.get("urls"))
        listed = self.status.get("services")
        definitions = [Definition.from_policy(entry) for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
        self.watch.follow(definitions, (*self.parts.watch, *self.hints.watch))

    # Observing

    def tick(self) -> bool:
        """Look at services, samples, logs and facts, each when due; tell whether something urgent waits to be sent."""
        now = self.clock.boot_ms()
        changed = self.watch.look()
        if changed:
            self.parts.spool.number("states", changed)
        if now >= self._cursor.sample:
            self._cursor.sample = now + self.hints.sample_s * 1000
            self._sample()
        self._take_logs(now)
        if self.status.get("policy_epoch") in (0, None) and now >= self._cursor.refresh:
            # A person may adopt root and policy beside us at any moment; from then on the services of the policy are watched.
            self._cursor.refresh = now + UNTRUSTED_REFRESH_MS
            self.refresh()
        if now >= self._cursor.tidy:
            self._cursor.tidy = now + TIDY_EVERY_MS
            self.parts.spool.tidy()
        return bool(changed)

    def look_at_facts(self) -> int:
        """Take the facts that are due; apart from `tick`, because it may take seconds."""
        return self.parts.inventory.look()

    def _sample(self) -> None:
        if not self._has_room():
            return
        readings = self.sampler.sample()
        readings |= {series("service_up", unit=unit): up for unit, up in self.watch.ups().items()}
        readings[series("agent_spool_bytes")] = self.parts.spool.size_bytes()
        readings[series("agent_spool_dropped")] = self.parts.spool.dropped
        if self.link.clock_offset_ms is not None:
            readings[series("clock_offset_ms")] = self.link.clock_offset_ms
        encoded = batches.encode(readings)
        self.parts.spool.put_sample(self.clock.wall_ms(), encoded.dict_id, encoded.series, encoded.values)

    def _has_room(self) -> bool:
        """Stop sampling while the disk is nearly full, and say afterwards what is missing (rule O3)."""
        now = self.clock.wall_ms()
        if self.parts.spool.has_free_disk():
            if self._missed:
                self.parts.spool.gap("samples", self._missed[0], now, len(self._missed), "disk_low")
                self._missed = []
            return True
        self._missed = [*self._missed[:MISSED_MAX], now]
        return False

    def _take_logs(self, now: int) -> None:
        if self.parts.logs is None:
            return
        lines, missed = self.parts.logs.take()
        admitted, refused = self._rate.admit(lines, now)
        if admitted:
            self.parts.spool.put_lines(admitted)
        if missed + refused:
            wall = self.clock.wall_ms()
            self.parts.spool.gap("logs", wall, wall, missed + refused, "rate")

    # Talking

    def poll(self) -> Reply:
        """Hold one poll and act on its answer. A poll without answer is repeated byte for byte. Errors: Unreachable, ServerRefused."""
        pending = self.parts.spool.oldest("poll") or self._compose_poll()
        try:
            reply = self._over_contacts(pending)
        except ServerRefused as refusal:
            self._sender.give_up(pending, refusal)
            raise
        self.parts.spool.acknowledge("poll", pending.seq)
        self._act(reply, had_heartbeat=json.loads(pending.body).get("hb") is not None)
        return reply

    def _over_contacts(self, pending: Numbered) -> Reply:
        """Send one poll to the addresses in their order, until one answers; the bytes stay the same, so twice does no harm."""
        wait_s, problems = float(json.loads(pending.body).get("wait_s", 0)), dict[str, Unreachable | ServerRefused]()
        for url in self.contacts.order():
            self.parts.exchange.turn_to(url)
            try:
                reply = self._call(self.link, POLL_PATH, pending.body.encode(), pending.seq, wait_s + POLL_MARGIN_S)
            except (Unreachable, ServerRefused) as problem:
                if url == self.contacts.primary and isinstance(problem, ServerRefused):
                    raise  # this is our server, and it said no
                problems[url] = problem
            else:
                self.contacts.answered(url)
                return reply
        self.parts.exchange.turn_to(self.contacts.primary)
        raise problems[self.contacts.primary]

    def send(self) -> bool:
        """Send the most important thing that waits; tell whether there may be more. Errors: Unreachable, ServerRefused."""
        self.parts.side_exchange.turn_to(self.contacts.primary)
        if self.orders.waiting:
            self._hand_over_again()
        if self.orders.expects_results and self.clock.boot_ms() >= self._cursor.results and self._send_results():
            return True
        return self._sender.send()

    def _hand_over_again(self) -> None:
        """Commands came while the root half was away: it gets them as soon as it is back, not with the next poll."""
        try:
            self.orders.submit(None, self._log_keys())
        except ConnectionError:
            self.is_helper_silent = True

    def _send_results(self) -> bool:
        try:
            is_more = self.orders.send_results(self.side_link)
        except ConnectionError:
            self.is_helper_silent = True
            return False
        except ServerRefused as refusal:
            if refusal.status not in UNREADABLE:
                raise
            # Evidence is never dropped; but what the server cannot read now must not hold up everything else.
            self.refused_results = refusal.code
            self._cursor.results = self.clock.boot_ms() + RESULTS_AGAIN_MS
            return False
        self.refused_results = None
        return is_more

    def want_heartbeat(self) -> None:
        self._cursor.heartbeat = 0

    def _compose_poll(self) -> Numbered:
        now = self.clock.boot_ms()
        rows = self.parts.spool.newest_samples(BATCH_ROWS_MAX)
        heartbeat = None
        if now >= self._cursor.heartbeat:
            self._cursor.heartbeat = now + int(HEARTBEAT_MS * self.parts.draw(0.9, 1.1))
            heartbeat = self.heartbeat()
        batch = None
        if rows:
            batch = batches.batch(self.parts.spool, rows, with_series=rows[0].dict_id not in self._known_dicts)
        body = {
            "wait_s": self.hints.wait_s(self.parts.draw, is_first=self.last_success_ms is None or self.contacts.is_trial_due),
            "boot": str(self.parts.machine.read_or_none("proc/sys/kernel/random/boot_id") or "unknown"),
            "samples": batch,
            "states": [],
            "hb": heartbeat,
            # Where we stand in the ledger, so that the proof of a command that this poll brings starts there.
            "held": held_size(self.orders.position),
        }
        return self.parts.spool.number_poll(rows, body)

    def heartbeat(self) -> dict[str, object]:
        """Say how this device is (the HB of the protocol)."""
        self._wake()
        status = self.status
        position = status.get("checkpoint")
        return {
            "version": VERSION,
            "helper": self.parts.has_helper,
            "policy_epoch": status.get("policy_epoch"),
            "root_version": status.get("root_version"),
            "chain": status.get("chain"),
            "spool": {"bytes": self.parts.spool.size_bytes(), "dropped": self.parts.spool.dropped},
            "clock_offset_ms": self.link.clock_offset_ms,
            "freeze": status.get("freeze"),
            "ckpt_size": held_size(position),
            "facts_hash": self.parts.inventory.digest(),
            "diag": self._diag(),
            "cosignature": self.witness.cosignature,
        }

    def _diag(self) -> list[JSON]:
        listed = self.status.get("diag")
        found: list[JSON] = list(listed) if isinstance(listed, list | tuple) else []
        offset = self.link.clock_offset_ms
        found += ["clock_offset"] if offset is not None and abs(offset) > 120_000 else []
        found += [f"ledger_alarm:{self.status.get('ledger_alarm')}"] if self.status.get("ledger_alarm") else []
        found += ["contact_second_best"] if self.contacts.is_second_best else []
        found += ["helper_unreachable"] if self.is_helper_silent else []
        found += [f"results_refused:{self.refused_results}"] if self.refused_results else []
        found += [f"document_refused:{code}" for code in sorted(self.orders.refusals)]
        return found + (["hints_clamped"] if self.hints.clamped else [])

    def _wake(self) -> None:
        """Refresh our view of the authority, and let it look at held commands."""
        before = self.status.get("chain")
        self._ask_status({"wake": True})
        self.orders.expects_results = self.orders.expects_results or self.status.get("chain") != before

    def _ask_status(self, body: Mapping[str, JSON]) -> None:
        """Without its root half the agent goes on observing with what it knew last, and says so."""
        try:
            self.status = self.parts.authority.ask("query", body)
            self.orders.stand_at(self.status.get("checkpoint"))
            self.is_helper_silent = False
        except ConnectionError as problem:
            self.is_helper_silent = True
            self.last_problem = str(problem)

    def _act(self, reply: Reply, *, had_heartbeat: bool) -> None:
        data = reply.data
        self._learn_dict(data)
        self.hints = read_hints(data.get("hints"), self.hints)
        if self.hints.resend_from_ms is not None:
            self.parts.spool.resend_samples(self.hints.resend_from_ms)
        fetched = False
        try:
            fetched = self._obey(reply, had_heartbeat=had_heartbeat)
        except ConnectionError as problem:
            self.is_helper_silent, self.last_problem = True, str(problem)
        wanted = data.get("want_groups")
        if isinstance(wanted, list | tuple) and wanted:
            self.parts.inventory.want([str(name) for name in wanted])
        if not fetched and (had_heartbeat or data.get("commands")):
            self.refresh()
        else:
            self._follow_hints()

    def _obey(self, reply: Reply, *, had_heartbeat: bool) -> bool:
        """Pass on what concerns the authority: the ledger, documents, commands. Tell whether documents came in."""
        if had_heartbeat:
            self._answer_heartbeat(reply)
        fetched = self.orders.fetch_documents(self.link, self.status, reply.data.get("docs"))
        if fetched:
            self.refresh()
        if self.orders.submit(reply.data.get("commands"), self._log_keys()):
            self.watch.hurry()
            self.want_heartbeat()  # our position in the ledger may have moved: the server needs it for its next proof
        return fetched

    def _follow_hints(self) -> None:
        if [unit for unit in self.hints.watch if unit not in self.watch.units]:
            self.refresh()

    def _learn_dict(self, data: Mapping[str, JSON]) -> None:
        if data.get("need_dict") is True:
            self._known_dicts.clear()
            return
        sent = self.parts.spool.last_sent_dict()
        if sent is not None:
            self._known_dicts.add(sent)

    def _answer_heartbeat(self, reply: Reply) -> None:
        self.witness.answer(reply.data.get("checkpoint"), self._log_keys())
        self.orders.stand_at(self.witness.position)
        try:
            answer = self.parts.authority.ask("docs", {"op": "heard", "reply": reply.envelope})
            self.orders.expects_results = self.orders.expects_results or answer.get("code") is not None
        except Rejected:
            return  # too long for a frame: the next heartbeat's reply will do

    def _log_keys(self) -> list[str]:
        keys = self.status.get("log_keys")
        return [str(key) for key in keys] if isinstance(keys, list | tuple) else []

    def _post(self, body: bytes) -> Reply:
        return self._call(self.side_link, INGEST_PATH, body, None, POLL_MARGIN_S)

    def _call(self, link: Link, path: str, body: bytes, seq: int | None, timeout_s: float) -> Reply:
        try:
            reply = link.call_body("POST", path, body, seq=seq, timeout_s=timeout_s)
        except ServerRefused as refusal:
            self.is_revoked = refusal.code == "revoked"
            raise
        self.is_revoked = False
        self.last_success_ms = self.clock.wall_ms()
        self.last_problem = None
        return reply


def held_size(position: JSON) -> int:
    """Return the size of the checkpoint that a position names, 0 where there is none."""
    size = position.get("size") if isinstance(position, Mapping) else None
    return size if isinstance(size, int) else 0
