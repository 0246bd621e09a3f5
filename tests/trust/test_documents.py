"""Roots and policies: who may change what, and what a server cannot do about it."""

import json

import pytest

from mainstay_trust import canonical, dsse, keys, policies, roots
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Role
from mainstay_trust.policies import Limit

from .signers import key, signer, verify
from .world import (
    CLARA,
    DEVICE,
    NADIA,
    NOW,
    OMAR,
    SERVER,
    STRANGER,
    TENANT,
    policy,
    policy_envelope,
    policy_value,
    root_envelope,
    root_payload,
    service,
)

ROOT = roots.parse_root(root_payload())
OTHERS = (key(30, "Iris"), key(31, "Ivan"), key(32, "Ines"))


def next_payload(**changes):
    return root_payload(**({"version": 2} | changes))


def refused(code, function, *arguments, **named):
    with pytest.raises(Rejected) as caught:
        function(*arguments, **named)
    assert caught.value.code == code


def test_a_first_root_needs_its_fingerprint_and_its_own_threshold():
    payload = root_payload()

    assert roots.first_root(root_envelope(payload, NADIA, OMAR), ROOT.fingerprint, verify) == ROOT
    refused("bad_root", roots.first_root, root_envelope(payload, NADIA, OMAR), "0" * 64, verify)
    refused("bad_root", roots.first_root, root_envelope(payload, NADIA), ROOT.fingerprint, verify)
    refused("bad_root", roots.first_root, root_envelope(payload, NADIA, STRANGER, SERVER), ROOT.fingerprint, verify)


def test_the_next_root_carries_the_thresholds_of_both():
    role = Role(OTHERS, 2)
    payload = next_payload(roles=dict.fromkeys(("root", "policy"), role))

    assert roots.next_root(ROOT, root_envelope(payload, NADIA, OMAR, 30, 31), verify).version == 2
    for signers in [(30, 31, 32), (NADIA, OMAR, CLARA), (NADIA, 30, 31), (NADIA, OMAR, 30)]:
        refused("bad_root", roots.next_root, ROOT, root_envelope(payload, *signers), verify)


@pytest.mark.parametrize("version", [1, 3, 4])
def test_a_root_version_is_neither_skipped_nor_repeated(version):
    payload = root_payload(version=version, issued=NOW - 999)

    refused("bad_root", roots.next_root, ROOT, root_envelope(payload, NADIA, OMAR), verify)


def test_the_same_root_again_changes_nothing():
    assert roots.next_root(ROOT, root_envelope(root_payload()), verify) is ROOT


def test_a_root_of_another_tenant_is_refused():
    payload = next_payload(tenant="01JD0000000000000000000TH0")

    refused("wrong_tenant", roots.next_root, ROOT, root_envelope(payload, NADIA, OMAR), verify)


def test_a_chain_is_followed_one_version_at_a_time():
    chain = [root_envelope(root_payload(version=number), NADIA, OMAR) for number in (1, 2, 3)]

    assert roots.follow(ROOT.fingerprint, chain, verify).version == 3
    refused("bad_root", roots.follow, ROOT.fingerprint, [chain[0], chain[2]], verify)
    refused("bad_root", roots.follow, ROOT.fingerprint, chain[1:], verify)
    refused("no_root", roots.follow, ROOT.fingerprint, [], verify)


def test_an_expired_root_can_still_hand_over():
    old = roots.parse_root(root_payload(issued=1, expires=2))

    assert roots.next_root(old, root_envelope(next_payload(), NADIA, OMAR), verify).version == 2


def root_value(**changes):
    return json.loads(root_payload()) | changes


def with_role(**changes):
    value = root_value()
    value["roles"]["root"] |= changes
    return value


NADIA_ID = keys.key_id(signer(NADIA).public)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (with_role(threshold=0), "bad_root"),
        (with_role(threshold=4), "bad_root"),
        (with_role(keys=[NADIA_ID, NADIA_ID]), "bad_root"),
        (with_role(keys=["0" * 64]), "bad_root"),
        (with_role(keys=[]), "bad_root"),
        (root_value(roles={"root": root_value()["roles"]["root"]}), "bad_root"),
        (root_value(expires=NOW + 401 * 86400), "bad_root"),
        (root_value(expires=NOW - 1000), "bad_root"),
        (root_value(version=0), "bad_root"),
        (root_value(v=2), "bad_root"),
        (root_value(extra=1), "bad_root"),
        (root_value(keys={"0" * 64: {"pub": signer(NADIA).public.hex(), "holder": "Nadia"}}), "bad_keyid"),
        (root_value(keys={keys.key_id(b"\x01" + bytes(31)): {"pub": "01" + "00" * 31, "holder": "Nadia"}}), "bad_key"),
    ],
)
def test_a_malformed_root_is_refused(value, code):
    refused(code, roots.parse_root, canonical.encode(value))


def test_two_keys_of_one_holder_cannot_carry_a_threshold_of_two():
    role = Role((key(NADIA, "Nadia"), key(OMAR, "Nadia")), 2)

    refused("bad_root", root_payload, roles={"root": role, "policy": role})


def test_one_signer_must_be_called_reduced_assurance():
    role = Role((key(NADIA, "Nadia"),), 1)
    single = {"roles": {"root": role, "policy": role}}

    refused("bad_root", root_payload, **single)
    assert roots.parse_root(root_payload(reduced=True, **single)).reduced


def test_an_expired_root_vouches_for_no_new_policy():
    assert adopted(policy_value(), NADIA, OMAR, at=ROOT.expires).epoch == 4
    refused("no_root", adopted, policy_value(), NADIA, OMAR, at=ROOT.expires + 1)


# Policies.


def adopted(value, *signers, current=None, at=NOW):
    return policies.next_policy(current, ROOT, policy_envelope(value, *signers), verify, at=at)


def test_a_policy_needs_the_policy_threshold():
    assert adopted(policy_value(), NADIA, OMAR).epoch == 4
    for signers in [(NADIA,), (NADIA, NADIA), (SERVER,), (SERVER, NADIA), (STRANGER, SERVER)]:
        refused("threshold", adopted, policy_value(), *signers)


def test_an_older_policy_and_a_second_one_of_the_same_epoch_are_refused():
    current = policy()

    assert adopted(policy_value(), NADIA, OMAR, current=current) is current
    assert adopted(policy_value(epoch=9), NADIA, OMAR, current=current).epoch == 9
    refused("epoch_old", adopted, policy_value(epoch=3), NADIA, OMAR, current=current)
    refused("policy_equivocation", adopted, policy_value(max_targets=49), NADIA, OMAR, current=current)


def test_an_unsigned_second_policy_is_not_called_equivocation():
    refused("threshold", adopted, policy_value(max_targets=49), SERVER, current=policy())


def test_a_revoked_signer_no_longer_counts():
    current = policy(revoked=[NADIA_ID])

    refused("key_revoked", adopted, policy_value(epoch=5), NADIA, OMAR, current=current)
    assert adopted(policy_value(epoch=5), CLARA, OMAR, current=current).epoch == 5


def test_a_policy_of_another_tenant_or_type_is_refused():
    refused("wrong_tenant", adopted, policy_value(tenant="01JD0000000000000000000TH0"), NADIA, OMAR)
    envelope = dsse.seal(dsse.ROOT, canonical.encode(policy_value()), [signer(NADIA), signer(OMAR)])
    refused("bad_type", policies.next_policy, None, ROOT, envelope, verify, at=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"epoch": 0},
        {"expires": NOW + 101 * 86400},
        {"tiers": {"web": "T1"}},
        {"tiers": {"default": "T9"}},
        {"services": [service("sshd.service")]},
        {"services": [service("dbus.service")]},
        {"services": [service("systemd-journald.service")]},
        {"services": [service("mainstay-web")]},
        {"services": [service("-x")]},
        {"services": [service("a b")]},
        {"services": [service("x.service", allow=["stop"])]},
        {"services": [service("demo", manager="argv")]},
        {"services": [service("demo", manager="shell")]},
        {"services": [service("x.service", probe={"kind": "tcp", "host": "h", "port": 0})]},
        {"services": [service("x.service", start="nginx")]},
        {"budgets": {"all": {"per_week": 1}}},
        {"budgets": {"all": {"per_day": -1}}},
        {"max_targets": 0},
        {"max_offline_s": 0},
        {"alarm_urls": ["a", "b", "c", "d"]},
        {"pins": ["AB" * 32]},
        {"keys": {"server": [], "reply": [], "ledger": [{"origin": "x", "vkey": "x+00000000+AA=="}]}},
        {"require_logged": 1},
        {"update": {"mode": "latest"}},
    ],
    ids=str,
)
def test_a_malformed_policy_is_refused(change):
    with pytest.raises(Rejected):
        policy(**change)


def test_a_service_without_an_init_system_says_itself_how_to_run():
    demo = service("demo", manager="argv", start=["/opt/demo", "--serve"], status=["/opt/demo", "--status"], devices=[DEVICE])
    found = policy(services=[demo]).service("demo", DEVICE)

    assert (found.start, found.is_for(DEVICE), found.is_for("01JD0000000000000000000TH0")) == (("/opt/demo", "--serve"), True, False)
    assert policy(services=[demo]).service("demo", "01JD0000000000000000000TH0") is None


def test_the_lowest_tier_of_a_devices_groups_counts():
    tiers = {"default": "T1", "clinic": "T0", "web": "T1"}
    given = policy(tiers=tiers, groups={DEVICE: ["web", "clinic"]})

    assert (given.tier_of(DEVICE), given.tier_of(TENANT)) == ("T0", "T1")


def test_a_budget_that_a_policy_leaves_out_is_the_default():
    given = policy(budgets={"reboot": {"per_day": 3}})

    assert (given.limit("reboot"), given.limit("all")) == (Limit(per_day=3), Limit(per_day=24))
