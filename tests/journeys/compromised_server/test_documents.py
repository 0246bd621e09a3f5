"""Forged roots and policies: each is refused by its code, the refusal is signed, and the device keeps what it has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mainstay_agent.host.ed25519 import KeyPair
from mainstay_trust import canonical, dsse
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import Envelope
from mainstay_trust.keys import key_id
from tests.agent.fakes import DEVICE, OTHER, service
from tests.journeys.compromised_server.device import Victim
from tests.journeys.compromised_server.people import new_key

SMALL_ORDER = (1).to_bytes(32, "little")


@dataclass(frozen=True)
class Forgery:
    """`make` returns one document that the server announces as its newest."""

    name: str
    code: str
    make: Callable[[Victim], Envelope]

    @property
    def kind(self) -> str:
        return "root" if self.name.startswith("root_") else "policy"


def policy(victim: Victim, epoch: int = 3, **changes: Any) -> Envelope:
    return victim.people.policy(epoch, victim.thief.rotated_keys(), victim.premises.rules(), **changes)


def resigned(document: Envelope, *keys: KeyPair) -> Envelope:
    return dsse.seal(document.payload_type, document.payload, [key.signer() for key in keys])


def rewritten(document: Envelope, signers: tuple[KeyPair, ...], /, **members: JSON) -> Envelope:
    payload = canonical.encode(canonical.parse_object(document.payload) | members)
    return resigned(Envelope(document.payload_type, payload, ()), *signers)


def members_of(document: Envelope) -> dict[str, Any]:
    return dict(canonical.parse_object(document.payload))


def own_root(victim: Victim, holders: tuple[str, ...] = ("a", "b"), threshold: int = 2, **members: JSON) -> Envelope:
    """A second root whose every key is the thief's."""
    keys = tuple(new_key() for _ in holders)
    listed = {key.key_id: {"pub": key.public.hex(), "holder": holder} for key, holder in zip(keys, holders, strict=True)}
    role = {"keys": sorted(listed), "threshold": threshold}
    whole = {"version": 2, "keys": listed, "roles": {"root": role, "policy": role}}
    return rewritten(victim.people.root(), keys, **whole | members)


def one_key_under_two_ids(victim: Victim) -> Envelope:
    key = new_key()
    listed = {keyid: {"pub": key.public.hex(), "holder": holder} for keyid, holder in ((key.key_id, "a"), ("ab" * 32, "b"))}
    role = {"keys": sorted(listed), "threshold": 2}
    return own_root(victim, keys=listed, roles={"root": role, "policy": role})


def small_order_key(victim: Victim) -> Envelope:
    listed = {key_id(SMALL_ORDER): {"pub": SMALL_ORDER.hex(), "holder": "a"}}
    role = {"keys": sorted(listed), "threshold": 1}
    return own_root(victim, keys=listed, roles={"root": role, "policy": role}, reduced=True)


def small_order_server_key(victim: Victim) -> Envelope:
    keys = members_of(policy(victim))["keys"] | {"server": [{"pub": SMALL_ORDER.hex(), "holder": "worker", "expires": None}]}
    return rewritten(policy(victim), (victim.thief.server,), keys=keys)


def everything_allowed(victim: Victim) -> Envelope:
    everything = {"tiers": {"default": "T3"}, "require_logged": False, "services": [service(unit="payroll", name="payroll")]}
    return rewritten(policy(victim), (victim.thief.server, victim.thief.reply, victim.thief.log_key), **everything)


FORGERIES = [
    Forgery("policy_signed_by_the_server", "threshold", lambda v: resigned(policy(v), v.thief.server)),
    Forgery("policy_signed_by_all_online_keys", "threshold", everything_allowed),
    Forgery("policy_signed_by_one_person_of_two", "threshold", lambda v: Envelope(dsse.POLICY, (p := policy(v)).payload, p.signatures[:1])),
    Forgery("policy_signed_by_one_person_twice", "threshold", lambda v: Envelope(
        dsse.POLICY, (p := policy(v)).payload, p.signatures[:1] * 2)),
    Forgery("policy_with_changed_budgets", "threshold", lambda v: Envelope(
        dsse.POLICY, rewritten(policy(v), (), budgets={}).payload, policy(v).signatures)),
    Forgery("policy_with_tiers_by_claimed_group", "threshold", lambda v: rewritten(
        policy(v), (v.thief.server,), tiers={"default": "T1", "lab": "T3"}, groups={DEVICE: ["lab"]})),
    Forgery("policy_of_an_old_epoch", "epoch_old", lambda v: v.people.policy(1, v.thief.first_keys(), v.premises.rules())),
    Forgery("policy_of_the_same_epoch", "policy_equivocation", lambda v: policy(v, 2, max_targets=19)),
    Forgery("policy_of_another_tenant", "wrong_tenant", lambda v: v.people.elsewhere(OTHER).policy(
        3, v.thief.rotated_keys(), v.premises.rules())),
    Forgery("policy_that_lists_a_protected_unit", "bad_policy", lambda v: policy(
        v, services=[service(unit="sshd.service", name="sshd.service", manager="systemd")])),
    Forgery("policy_that_lives_for_ever", "bad_policy", lambda v: policy(v, expires=v.people.issued + 101 * 86400)),
    Forgery("policy_with_a_small_order_key", "bad_key", small_order_server_key),
    Forgery("policy_that_is_a_root", "bad_type", lambda v: v.people.root()),
    Forgery("root_that_skips_a_version", "bad_root", lambda v: v.people.root(3)),
    Forgery("root_by_new_keys_only", "bad_root", own_root),
    Forgery("root_signed_by_the_server", "bad_root", lambda v: resigned(v.people.root(2), v.thief.server)),
    Forgery("root_with_threshold_zero", "bad_root", lambda v: own_root(v, threshold=0)),
    Forgery("root_with_two_keys_of_one_holder", "bad_root", lambda v: own_root(v, ("a", "a"))),
    Forgery("root_with_one_hidden_signer", "bad_root", lambda v: own_root(v, ("a",), 1)),
    Forgery("root_with_one_key_under_two_ids", "bad_keyid", one_key_under_two_ids),
    Forgery("root_with_a_small_order_key", "bad_key", small_order_key),
    Forgery("root_of_another_tenant", "wrong_tenant", lambda v: v.people.elsewhere(OTHER).root(2)),
]  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_forged_document_is_refused_and_the_refusal_is_signed(victim: Victim, forgery: Forgery) -> None:
    document = forgery.make(victim).as_json()
    before = victim.query()

    with victim.unharmed():
        offer(victim, roots=[document] if forgery.kind == "root" else [], policy=document if forgery.kind == "policy" else None)
        (result,) = victim.next_results(1)

    assert (result.decision, result.rule, result.reason) == ("local", f"{forgery.kind}.refused", forgery.code)
    after = victim.query()
    assert all(after[name] == before[name] for name in ("root_fingerprint", "policy_sha256", "services", "reply_keys", "log_keys"))


def test_a_device_without_a_root_takes_none_from_the_server(newcomer: Victim) -> None:
    rules, keys = newcomer.premises.rules(), newcomer.thief.first_keys()
    genuine, forged = newcomer.people.root(), own_root(newcomer, version=1)

    with newcomer.unharmed():
        for root in (genuine, forged):
            offer(newcomer, roots=[root.as_json()], policy=newcomer.people.policy(1, keys, rules).as_json())
            (result,) = newcomer.next_results(1)
            assert (result.decision, result.rule, result.reason) == ("local", "root.refused", "no_root")
        newcomer.server.tell_the_truth()
        assert newcomer.decides(lambda thief: thief.deliver(thief.command())) == [("refused", "no_root")]

    assert newcomer.query()["root_version"] == 0


def offer(victim: Victim, *, roots: list[JSON], policy: JSON) -> None:
    with victim.server.changed:
        victim.server.lies.documents = {"roots": roots, "policy": policy}
        victim.server.changed.notify_all()


FLOWS = {
    "first_root_pushed_by_the_server": test_a_device_without_a_root_takes_none_from_the_server,
    "first_root_of_the_thief": test_a_device_without_a_root_takes_none_from_the_server,
}
