"""The numbered streams on their way to the server (rules X5 and X6).

Owns: which stream goes first, following a server that expects another number, giving up what it can never read.
Does not own: results (`net.orders`), polls (`net.agent`), what waits (`net.spool`).
Invariant: a request that the server cannot read blocks nothing behind it: it is dropped, and the loss is a `gaps` record.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from mainstay_agent.host.clocks import Clock
from mainstay_agent.net import batches
from mainstay_agent.net.inventory import Inventory
from mainstay_agent.net.link import Reply
from mainstay_agent.net.problems import ServerRefused
from mainstay_agent.net.spool import Numbered, Spool

# In this order after results: what tells of an outage first, the oldest numbers last (rule X6).
STREAMS = ("states", "gaps", "facts", "logs", "backlog")
BACKLOG_ROWS_MAX = 360
LOG_LINES_PER_REQUEST = 500
UNREADABLE = (400, 409, 413, 422)


@dataclass(frozen=True, slots=True)
class Sender:
    """`post` sends the body of one ingest request. It raises Unreachable and ServerRefused."""

    spool: Spool
    inventory: Inventory
    clock: Clock
    post: Callable[[bytes], Reply]

    def send(self) -> bool:
        """Send the most important thing that waits; tell whether there may be more. Errors: Unreachable, ServerRefused."""
        self._number_waiting()
        for stream in STREAMS:
            waiting = self.spool.oldest(stream)
            if waiting is not None:
                self._ingest(waiting)
                return True
        return False

    def give_up(self, pending: Numbered, refusal: ServerRefused) -> bool:
        """Drop a request that the server cannot read, record the loss, and tell whether it was dropped."""
        if refusal.status not in UNREADABLE:
            return False
        self.spool.acknowledge(pending.stream, pending.seq)
        if refusal.code != "replayed" and pending.stream != "gaps":
            now = self.clock.wall_ms()
            self.spool.gap(pending.stream, now, now, 1, f"refused:{refusal.code}"[:60])
        return True

    def _number_waiting(self) -> None:
        spool = self.spool
        if spool.oldest("facts") is None:
            spool.number_facts(self.inventory.digest())
        if spool.oldest("logs") is None:
            spool.number_lines(LOG_LINES_PER_REQUEST)
        overtaken = spool.passed_samples(BACKLOG_ROWS_MAX) if spool.oldest("backlog") is None else []
        if overtaken:
            spool.number_samples("backlog", overtaken, batches.batch(spool, overtaken, with_series=True))

    def _ingest(self, waiting: Numbered) -> None:
        head = json.dumps({"stream": waiting.stream, "epoch": self.spool.epoch, "seq": waiting.seq})
        try:
            reply = self.post(f'{head[:-1]},"data":{waiting.body}}}'.encode())
        except ServerRefused as refusal:
            self._after_refusal(waiting, refusal)
            return
        through = reply.data.get("ack_through")
        if isinstance(through, int):
            self.spool.acknowledge(waiting.stream, min(through, waiting.seq))

    def _after_refusal(self, waiting: Numbered, refusal: ServerRefused) -> None:
        if refusal.expected is None or refusal.expected == waiting.seq:
            if not self.give_up(waiting, refusal):
                raise refusal
            return
        # What the server has already is done, what it never got is numbered as it wants.
        if refusal.expected > waiting.seq:
            self.spool.acknowledge(waiting.stream, refusal.expected - 1)
        self.spool.renumber(waiting.stream, refusal.expected)
