"""What an endpoint knows about itself at the moment of a verdict.

Owns: the explicit state over which every check is a pure function, and which keys and logs follow from it.
Does not own: gathering it (the agent's helper), the checks (`commands`).
Invariant: nothing here comes from the command that is judged; groups, keys and floors are those of signed documents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mainstay_trust.actions import CATALOGUE, Action
from mainstay_trust.clocks import Reading
from mainstay_trust.keys import Key, Keyring, Role
from mainstay_trust.notes import Checkpoint, Vkey
from mainstay_trust.policies import Policy
from mainstay_trust.roots import Root


@dataclass(frozen=True)
class Remembered:
    """A row of the replay table, written when a command was started."""

    payload_sha256: str
    id: str
    idem: str
    content_sha256: str


def _nothing_remembered(_payload: str, _id: str, _idem: str) -> tuple[Remembered, ...]:
    return ()


def _no_uses(_budget: str, _key: str | None) -> Sequence[int]:
    return ()


def _no_window(window: str | None, _action: str) -> str | None:
    return None if window is None else "window_unknown"


@dataclass(frozen=True)
class EndpointState:
    """Everything a verdict may depend on. Lookups are callables, so that a check reads only what it needs.

    `remembered(payload_sha256, id, idem)` returns the replay rows equal in any of the three.
    `uses(budget, key)` returns the seconds (lower clock) at which a budget was used; `key` is the value of the parameter that
    splits it. `window(window, action)` returns what `windows.judge` says: None, window_unknown, window_closed or freeze_calendar.
    `retired` holds server keys of earlier policies, so that an old key is named `key_revoked` and not merely unknown.
    """

    tenant: str
    device: str
    clock: Reading
    root: Root | None = None
    policy: Policy | None = None
    receipt_keys: tuple[Key, ...] = ()
    retired: tuple[Key, ...] = ()
    receipt_logs: tuple[Vkey, ...] = ()
    checkpoint: Checkpoint | None = None
    offline_s: int = 0
    is_helper_present: bool = True
    is_frozen: bool = False
    is_quarantined: bool = False
    is_ledger_alarmed: bool = False
    is_spool_full: bool = False
    locks: frozenset[str] = frozenset()
    failing_preconditions: tuple[str, ...] = ()
    remembered: Callable[[str, str, str], Sequence[Remembered]] = _nothing_remembered
    uses: Callable[[str, str | None], Sequence[int]] = _no_uses
    window: Callable[[str | None, str], str | None] = _no_window
    catalogue: Mapping[str, Action] = field(default_factory=lambda: CATALOGUE)

    @property
    def server_role(self) -> Role:
        return Role((*(self.policy.server_keys if self.policy else self.receipt_keys), *self.retired))

    @property
    def keyring(self) -> Keyring:
        current = {key.key_id for key in (self.policy.server_keys if self.policy else self.receipt_keys)}
        lapsed = {key.key_id for key in self.retired} - current
        return Keyring.of(self.known_keys, (self.policy.revoked if self.policy else frozenset()) | lapsed)

    @property
    def known_keys(self) -> tuple[Key, ...]:
        others = self.policy.reply_keys if self.policy else ()
        return (*self.server_role.keys, *others, *(self.root.keys if self.root else ()))

    @property
    def logs(self) -> tuple[Vkey, ...]:
        return self.policy.ledger_keys if self.policy else self.receipt_logs
