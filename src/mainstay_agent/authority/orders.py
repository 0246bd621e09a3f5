"""Single orders that people signed offline: lifting a freeze, and following a log that continues another (rules K6, W3).

Owns: when an order applies to this device, and carrying it out.
Does not own: who must have signed (`mainstay_trust.orders`), how an order gets here (any way does: it proves itself).
Invariant: an order only ever undoes what was there when it was signed: an old `unfreeze` lifts no later freeze, and a `succession`
leads away from the log that this device holds and from no other.
"""

from mainstay_agent.authority.documents import Documents
from mainstay_agent.authority.freezing import Freeze
from mainstay_agent.authority.timekeeping import Timekeeper
from mainstay_agent.authority.witnessing import LedgerView
from mainstay_agent.host.ed25519 import verify
from mainstay_trust import dsse
from mainstay_trust.dsse import Envelope
from mainstay_trust.errors import Rejected
from mainstay_trust.notes import Checkpoint, open_checkpoint, parse_vkey
from mainstay_trust.orders import open_succession, open_unfreeze
from mainstay_trust.roots import Root

KINDS = {dsse.UNFREEZE: "unfreeze", dsse.SUCCESSION: "succession"}


class Orders:
    """`carry_out` returns the kind and a word for the result chain. Errors: Rejected; nothing has changed then."""

    def __init__(self, documents: Documents, freeze: Freeze, ledger: LedgerView, time: Timekeeper) -> None:
        self._documents = documents
        self._freeze = freeze
        self._ledger = ledger
        self._time = time

    def carry_out(self, envelope: Envelope) -> tuple[str, str]:
        root = self._documents.root
        if root is None:
            raise Rejected("no_root", "without a root no order can be judged")
        if envelope.payload_type == dsse.UNFREEZE:
            return "unfreeze", self._unfreeze(envelope, root)
        if envelope.payload_type == dsse.SUCCESSION:
            return "succession", self._succeed(envelope, root)
        raise Rejected("bad_type", "no order of this kind is known")

    def _unfreeze(self, envelope: Envelope, root: Root) -> str:
        policy, identity, reading = self._documents.policy, self._documents.identity, self._time.read()
        revoked = policy.revoked if policy is not None else frozenset[str]()
        order = open_unfreeze(envelope, root, revoked, verify, at=reading.upper)
        if identity is None or not order.is_for(identity.device):
            raise Rejected("wrong_audience", "an order for other devices")
        if order.issued < self._freeze.began():
            raise Rejected("order_old", "the freeze began after this order was signed")
        if not reading.lower < self._freeze.until():
            raise Rejected("not_frozen", "nothing is frozen that an order could lift")
        self._freeze.lift()
        return "lifted"

    def _succeed(self, envelope: Envelope, root: Root) -> str:
        order = open_succession(envelope, root, verify, at=self._time.read().upper)
        seen = self._ledger.load()
        if seen is None or seen.checkpoint.origin != order.old_origin:
            raise Rejected("unknown_origin", "the order leads away from a log that this device does not hold")
        vkey = parse_vkey(order.new_vkey)
        first, _ = open_checkpoint(order.checkpoint.encode(), [vkey], verify)
        self._documents.add_log(vkey)
        self._ledger.begin_anew(first)
        # A log that was restored from a backup ends before what we have seen. People decided so; the chain says what is missing.
        return "log_continues" if _ends_where_we_stood(seen.checkpoint, order.last_size, order.last_root) else "log_ended_elsewhere"


def _ends_where_we_stood(held: Checkpoint, last_size: int, last_root: str) -> bool:
    return last_size > held.size or (last_size, last_root) == (held.size, held.root.hex())
