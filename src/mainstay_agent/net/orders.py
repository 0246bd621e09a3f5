"""Commands on their way to the authority, documents on their way in, results on their way out.

Owns: when documents are fetched, what is submitted, that each result reaches the server and is then acknowledged.
Does not own: any judgement (`authority`).
Invariant: a result is acknowledged to the authority only after the server said that it has stored it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from mainstay_agent.authority.asking import Asks
from mainstay_agent.net.link import Link, Reply
from mainstay_agent.net.problems import ServerRefused
from mainstay_agent.net.witness import fit_proof
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected

POSITIONS_MAX = 16
WAITING_MAX = 16
ORDERS_MAX = 8


@dataclass(slots=True)
class Orders:
    authority: Asks
    position: JSON = None
    older: list[JSON] = field(default_factory=list)
    waiting: list[Mapping[str, JSON]] = field(default_factory=list)
    orders_seen: JSON = None
    refusals: dict[str, int] = field(default_factory=dict)
    wants_restart: bool = False
    expects_results: bool = True
    is_action_running: bool = False
    _lock: Lock = field(default_factory=Lock)
    accuse: Callable[[JSON, Mapping[str, JSON]], None] = lambda _delivery, _answer: (
        None
    )  # told of a command that the ledger does not bear out

    def fetch_documents(self, link: Link, status: Mapping[str, JSON], announced: JSON) -> bool:
        """Fetch and hand over documents when the server has newer ones than the authority; tell whether any came in.

        `orders` of an announcement is the server's own name for the orders that it keeps: another name, other orders.
        """
        if not isinstance(announced, Mapping) or not (_is_newer(announced, status) or self._has_other_orders(announced)):
            return False
        data = link.call("GET", "/agent/v1/docs").data
        try:
            self.authority.ask("docs", {"op": "update", "roots": data.get("roots"), "policy": data.get("policy")})
        except Rejected as refusal:
            # A refused document changes nothing: the authority keeps what it has, and we keep the reason for `status`.
            self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
            self.expects_results = True  # the refusal is a link of the chain
            return False
        self._pass_on(data.get("orders"))
        self.orders_seen = announced.get("orders")
        return True

    def _has_other_orders(self, announced: Mapping[str, JSON]) -> bool:
        return isinstance(announced.get("orders"), str) and announced.get("orders") != self.orders_seen

    def _pass_on(self, orders: JSON) -> None:
        """Hand over what people signed to undo: a freeze, a log that ended. An order that was carried out already is refused again."""
        for envelope in list(orders)[:ORDERS_MAX] if isinstance(orders, list | tuple) else ():
            try:
                self.authority.ask("docs", {"op": "order", "envelope": envelope})
            except Rejected as refusal:
                self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
            self.expects_results = True

    def submit(self, deliveries: JSON, logs: Sequence[str]) -> int:
        """Submit what came; return how many commands were handed over. Those whose proof is stale wait for a fresh one."""
        came = [one for one in deliveries if isinstance(one, Mapping)] if isinstance(deliveries, list | tuple) else []
        with self._lock:
            # What the root half was not there to take is offered again; a copy that it did take is a replay to it, and does nothing.
            self.waiting = [*self.waiting, *came]
            handed = 0
            try:
                while self.waiting:
                    handed += self._hand_over(self.waiting[0], logs)
                    self.waiting = self.waiting[1:]
            finally:
                self.waiting = self.waiting[:WAITING_MAX]
        return handed

    def _hand_over(self, delivery: Mapping[str, JSON], logs: Sequence[str]) -> int:
        fitting = fit_proof(delivery, self.position, self.older, logs)
        if fitting is None:
            return 0
        try:
            answer = self.authority.ask("submit", {"delivery": fitting})
        except Rejected as refusal:
            # Not even a frame: no command of ours is that long, and the next one may be in order.
            self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
            return 1
        self.expects_results = True
        self.stand_at(answer.get("checkpoint"))
        self.wants_restart = self.wants_restart or answer.get("wants_restart") is True
        if answer.get("code") == "ledger_alarm":
            self.accuse(delivery, answer)
        return 1

    def stand_at(self, position: JSON) -> None:
        """Remember where in the ledger the authority stands, and where it stood before."""
        if position is None or position == self.position:
            return
        self.older = [*self.older, self.position][-POSITIONS_MAX:] if self.position is not None else self.older
        self.position = position

    def send_results(self, link: Link) -> bool:
        """Send waiting results, oldest first; tell whether there may be more."""
        page = self.authority.ask("log", {})
        self.wants_restart = self.wants_restart or page.get("wants_restart") is True
        self.is_action_running = _number(page.get("running")) > 0
        results = _page(page)
        if not results:
            self.expects_results = self.is_action_running
            return False
        try:
            reply = _post_results(link, results)
        except ServerRefused as refusal:
            if refusal.expected is None or refusal.expected == _number(_first(results).get("seq")):
                raise
            # The server holds less of the chain than it once said: it gets every link from the one that it names.
            results = _page(self.authority.ask("log", {"all": True, "after": refusal.expected}))
            reply = _post_results(link, results)
        through = reply.data.get("ack_through")
        if not isinstance(through, int) or through < _last_seq(results[:1]):
            return False
        self.authority.ask("log", {"ack_through": min(through, _last_seq(results))})
        return True


def _post_results(link: Link, results: Sequence[JSON]) -> Reply:
    sent = [{"envelope": one["envelope"], "out": one["out"]} for one in results if isinstance(one, dict)]
    return link.call("POST", "/agent/v1/results", {"results": sent})


def _page(answer: Mapping[str, JSON]) -> list[JSON]:
    results = answer.get("results")
    return list(results) if isinstance(results, list) else []


def _first(results: Sequence[JSON]) -> Mapping[str, JSON]:
    first = results[0] if results else None
    return first if isinstance(first, dict) else {}


def _is_newer(announced: Mapping[str, JSON], status: Mapping[str, JSON]) -> bool:
    pairs = (("root", "root_version"), ("policy", "policy_epoch"))
    return any(_number(announced.get(theirs)) > _number(status.get(ours)) for theirs, ours in pairs)


def _number(value: JSON) -> int:
    return value if isinstance(value, int) else 0


def _last_seq(results: Sequence[JSON]) -> int:
    last = results[-1] if results else None
    return _number(last.get("seq")) if isinstance(last, dict) else 0
