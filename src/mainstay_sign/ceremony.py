"""The first ceremony: a root and a first policy.

Owns: what a first root says, with one person (`--quick`) or several. Does not own: signing (`signatory`).
Invariant: with one person both documents say "reduced", and so does every page that shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mainstay_sign.documents import understand
from mainstay_sign.signatory import Signatory
from mainstay_trust import canonical
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.canonical import JSON
from mainstay_trust.damage import damage_bound
from mainstay_trust.dsse import POLICY, ROOT, Envelope
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, Role, public_from_hex
from mainstay_trust.members import Members
from mainstay_trust.policies import LIFE_S_DEFAULT, Policy, parse_policy, policy_template
from mainstay_trust.roots import LIFE_S_MAX, ROLES, root_payload

# Set by the ceremony itself; a draft that names them would only look as if it decided something.
_OURS = frozenset({"v", "tenant", "epoch", "issued", "expires", "reduced", "damage_bound"})


@dataclass(frozen=True)
class Ceremony:
    """What came of it."""

    root: Envelope
    policy: Envelope


def quick(signatory: Signatory, *, tenant: str, holder: str, draft: Mapping[str, JSON]) -> Ceremony:
    """Make one key that fills every role, sign root 1 and policy 1: reduced assurance."""
    now = signatory.now()
    policy = policy_payload(draft, tenant=tenant, epoch=1, issued=now, is_reduced=True, devices=signatory.devices)
    made = _unused_key(signatory) or signatory.new_key(holder).key
    roles = dict.fromkeys(ROLES, Role((made,), 1))
    root = root_payload(tenant=tenant, version=1, issued=now, expires=now + LIFE_S_MAX, reduced=True, roles=roles)
    return Ceremony(_signed(signatory, ROOT, root, made.key_id), _signed(signatory, POLICY, policy, made.key_id))


def planned_root(plan: Mapping[str, JSON], *, now: int) -> Envelope:
    """Return an unsigned root from a plan: {"tenant", "version", "roles": {name: {"threshold", "keys": [{"pub", "holder"}]}}}.

    A plan in which one holder alone reaches the root or policy threshold is reduced assurance.
    """
    members = Members(plan, code="bad_plan", names=("tenant", "version", "roles"))
    roles = {name: _role(value) for name, value in members.record("roles").items()}
    payload = root_payload(
        tenant=members.text("tenant"),
        version=members.count("version", least=1),
        issued=now,
        expires=now + LIFE_S_MAX,
        reduced=any(roles[name].threshold < 2 for name in ("root", "policy") if name in roles),
        roles=roles,
    )
    return Envelope(ROOT, payload, ())


def policy_payload(
    draft: Mapping[str, JSON], *, tenant: str, epoch: int, issued: int, is_reduced: bool, devices: int, life_s: int = LIFE_S_DEFAULT
) -> bytes:
    """Return a policy made of a draft, the product's defaults, and the damage bound that follows from both."""
    template = policy_template(tenant=tenant, epoch=epoch, issued=issued)
    unknown = sorted(set(draft) - set(template))
    if unknown:
        raise Rejected("bad_draft", f"a policy has no member {', '.join(unknown)[:200]}")
    mine = {name: value for name, value in draft.items() if name not in _OURS}
    value = template | mine | {"reduced": is_reduced, "expires": issued + life_s}
    policy = parse_policy(canonical.encode(value))
    _refuse_locked_out(policy)
    bound = damage_bound(policy, CATALOGUE, devices)
    payload = canonical.encode(value | {"damage_bound": bound.as_json()})
    parse_policy(payload)
    return payload


def _refuse_locked_out(policy: Policy) -> None:
    """Refuse a policy under which no device would ever act again."""
    if policy.witness_quorum > len(policy.witness_keys):
        raise Rejected(
            "bad_draft", f"{policy.witness_quorum} witnesses are demanded and {len(policy.witness_keys)} are named in keys.witness"
        )
    if policy.witness_quorum and not policy.require_logged:
        raise Rejected("bad_draft", "witnesses vouch for the ledger: witness_quorum needs require_logged")


def _unused_key(signatory: Signatory) -> Key | None:
    """Return the key of a ceremony that was broken off before it signed anything; keys that have signed are never taken."""
    if not signatory.keys_path.exists():
        return None
    found = list(signatory.keys.keys.values())
    if len(found) != 1 or signatory.diary().pages:
        raise Rejected("keys_exist", f"{signatory.keys_path} was used already; a first ceremony makes a new file")
    return found[0].key


def _signed(signatory: Signatory, payload_type: str, payload: bytes, keyid: str) -> Envelope:
    unsigned = Envelope(payload_type, payload, ())
    return signatory.sign(unsigned, understand(unsigned), keyid, note="first ceremony")


def _role(value: JSON) -> Role:
    members = Members(value, code="bad_plan", names=("threshold", "keys"))
    return Role(members.items("keys", _key, most=32), members.count("threshold"))


def _key(value: object) -> Key:
    members = Members(value, code="bad_plan", names=("pub", "holder"))
    return Key(public_from_hex(members.raw("pub")), members.text("holder", most=100))
