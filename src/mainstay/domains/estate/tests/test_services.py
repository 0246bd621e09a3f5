"""Enrolment, contact, facts and units: row, ledger entry and event, and what a refusal leaves unchanged."""

import hashlib
from datetime import timedelta

import pytest
from nacl.signing import SigningKey

from mainstay.core.jobs.models import Event
from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.domains.estate import queries, services
from mainstay.domains.estate.models import Device, EnrolToken, FactChange, Package, PackageHistory, Route, UnitState
from mainstay.domains.estate.services.contact import Contact
from mainstay.domains.estate.tests.conftest import Estate
from mainstay.kernel.errors import Invalid, NotFound, Refused
from mainstay_trust import canonical, enrol


def acts(estate: Estate) -> list[str]:
    return [entry.act for entry in ledger.entries(estate.tenant)][::-1]


def events(estate: Estate) -> list[str]:
    return list(Event.objects.filter(tenant=estate.tenant).order_by("at", "id").values_list("name", flat=True))


def test_a_code_is_shown_once_and_only_its_proof_key_is_kept(estate: Estate) -> None:
    code = estate.code()

    token = EnrolToken.objects.get(code_id=code.code_id)

    assert bytes(token.proof_key) == code.key
    assert code.secret.hex() not in str(vars(token))
    assert acts(estate) == ["estate.enrol_token.created"]


def test_a_device_with_the_code_and_its_three_keys_joins(estate: Estate) -> None:
    enrolled = estate.join(estate.request(estate.code()))

    device = Device.objects.get()
    assert (device.id, device.name, device.state, enrolled.is_new) == (enrolled.device.id, "harbor-dc1", "active", True)
    assert sorted(device.keys.values_list("purpose", flat=True)) == ["evidence", "transport", "witness"]
    assert acts(estate) == ["estate.enrol_token.created", "estate.device.enrolled"]
    assert events(estate) == ["device.enrolled"]


def test_a_used_code_is_wiped_and_its_way_in_is_gone(estate: Estate) -> None:
    code = estate.code()
    estate.join(estate.request(code))

    token = EnrolToken.objects.get(code_id=code.code_id)

    assert (token.proof_key, token.uses_left) == (None, 0)
    assert not Route.objects.filter(kind="code").exists()


def test_a_wrong_proof_lets_nobody_in(estate: Estate) -> None:
    request = estate.request(estate.code(), mac="0" * 64)

    with pytest.raises(Refused) as refused:
        estate.join(request)

    assert refused.value.code == "enrol_bad_mac"
    assert Device.objects.count() == 0
    assert events(estate) == []


def test_the_fifth_wrong_proof_voids_the_code(estate: Estate) -> None:
    code = estate.code(uses=3)

    for _ in range(5):
        services.count_wrong_mac(tenant=estate.tenant, code_id=code.code_id, clock=estate.clock)

    with pytest.raises(Refused) as refused:
        estate.request(code)
    assert refused.value.code == "code_void"


def test_a_key_without_its_private_half_lets_nobody_in(estate: Estate) -> None:
    request = estate.request(estate.code())
    stolen = {**request.keys, "witness": bytes(SigningKey.generate().verify_key)}

    with pytest.raises(Invalid) as refused:
        estate.join(services.Join(**{**vars(request), "keys": stolen}))

    assert (refused.value.code, refused.value.fields["pointer"]) == ("enrol_bad_proof", "/proofs/witness")
    assert Device.objects.count() == 0


def test_a_join_whose_answer_was_lost_returns_the_same_device(estate: Estate) -> None:
    code = estate.code(uses=2)
    keys = {purpose: SigningKey.generate() for purpose in enrol.PURPOSES}
    first = estate.join(estate.request(code, keys=keys))

    again = estate.join(estate.request(code, keys=keys))

    assert (again.device.id, again.is_new) == (first.device.id, False)
    assert Device.objects.count() == 1


def test_a_device_that_needs_approval_waits_for_a_person(estate: Estate) -> None:
    device = estate.device(needs_approval=True)
    assert device.state == "pending"

    assert services.approve_device(actor=estate.tara, device_id=device.id, clock=estate.clock)
    assert not services.approve_device(actor=estate.tara, device_id=device.id, clock=estate.clock)

    assert Device.objects.get().state == "active"
    assert acts(estate)[-1] == "estate.device.approved"


def test_another_tenant_sees_no_device(estate: Estate) -> None:
    device = estate.device()
    bind(estate.cast.southgate.id)

    with pytest.raises(NotFound):
        services.approve_device(actor=estate.cast.iris.actor, device_id=device.id, clock=estate.clock)
    assert Device.objects.count() == 0


def test_a_falling_number_is_reported_as_a_clone_and_moves_nothing(estate: Estate) -> None:
    device = estate.device()
    agent = estate.agent(device)
    services.record_contact(actor=agent, device_id=device.id, seq=7, boot_id="boot-1", clock=estate.clock)

    seen = services.record_contact(actor=agent, device_id=device.id, seq=6, boot_id="boot-1", clock=estate.clock)

    assert (seen.contact, seen.reason) == (Contact.CLONE, "clone:falling_poll_seq")
    assert Device.objects.get().poll_seq == 7


def report(name: str, value: dict[str, canonical.JSON], at: int = 1_768_478_400) -> services.GroupReport:
    return services.GroupReport(name, hashlib.sha256(canonical.encode(value)).hexdigest(), at, value)


def test_only_changed_groups_are_stored_and_told(estate: Estate) -> None:
    device = estate.device()
    agent = estate.agent(device)
    os_fact, backups = report("os", {"id": "debian", "name": "Debian 12", "hostname": "dc1"}), report("backups", {"known": False})
    services.store_facts(actor=agent, device_id=device.id, reports=[os_fact, backups], clock=estate.clock)

    changed = services.store_facts(
        actor=agent, device_id=device.id, reports=[os_fact, report("backups", {"known": True})], clock=estate.clock
    )

    assert changed == ("backups",)
    assert FactChange.objects.get().patch == [{"op": "replace", "path": "/known", "value": True}]
    assert Device.objects.values_list("os_name", "name").get() == ("Debian 12", "dc1")
    assert events(estate)[1:] == ["facts.changed", "facts.changed"]


def test_a_fact_with_a_foreign_hash_is_refused_and_nothing_is_kept(estate: Estate) -> None:
    device = estate.device()
    wrong = services.GroupReport("os", "0" * 64, 1, {"id": "debian"})

    with pytest.raises(Invalid) as refused:
        services.store_facts(actor=estate.agent(device), device_id=device.id, reports=[report("fs", {}), wrong], clock=estate.clock)

    assert refused.value.code == "estate.fact_hash"
    assert queries.facts(estate.tenant, device.id) == {}


def test_an_unknown_group_is_kept_as_unknown_with_its_reason(estate: Estate) -> None:
    device = estate.device()
    sha = hashlib.sha256(canonical.encode({"unknown": "needs_helper"})).hexdigest()

    services.store_facts(
        actor=estate.agent(device),
        device_id=device.id,
        reports=[services.GroupReport("sudo", sha, 1, None, "needs_helper")],
        clock=estate.clock,
    )

    group = queries.device_panel(estate.tenant, device.id, at=estate.clock.now()).groups["sudo"]
    assert (group.body, group.unknown) == (None, "needs_helper")


def test_a_group_that_the_database_cannot_hold_is_unknown_and_keeps_no_other_back(estate: Estate) -> None:
    device = estate.device()
    bad = report("audit_files", {"sources": [{"excerpt": "a\0b"}]})

    changed = services.store_facts(
        actor=estate.agent(device), device_id=device.id, reports=[bad, report("fs", {"mounts": []})], clock=estate.clock
    )

    assert changed == ("audit_files", "fs")
    facts = queries.facts(estate.tenant, device.id)
    assert (facts["audit_files"].body, facts["audit_files"].unknown, facts["audit_files"].sha256) == (None, "not_text", bad.sha256)


def test_an_upgraded_package_closes_the_interval_of_its_old_version(estate: Estate) -> None:
    device = estate.device()
    agent = estate.agent(device)

    def packages(*versions: tuple[str, str]) -> services.GroupReport:
        rows = [{"name": name, "version": version, "arch": "amd64", "held": False} for name, version in versions]
        return report("packages", {"manager": "dpkg", "packages": rows})

    services.store_facts(actor=agent, device_id=device.id, reports=[packages(("nginx", "1.0"), ("curl", "7"))], clock=estate.clock)
    estate.clock.forward(hours=6)
    services.store_facts(actor=agent, device_id=device.id, reports=[packages(("nginx", "1.1"), ("curl", "7"))], clock=estate.clock)

    assert sorted(Package.objects.values_list("name", "version")) == [("curl", "7"), ("nginx", "1.1")]
    gone = PackageHistory.objects.get()
    assert (gone.name, gone.version, gone.until_at - gone.from_at) == ("nginx", "1.0", timedelta(hours=6))


def test_a_heartbeat_with_another_hash_asks_for_every_group(estate: Estate) -> None:
    device = estate.device()
    agent = estate.agent(device)
    beat = services.Heartbeat("0.1.0", True, "f" * 64, 12, 0, 0, False)

    missing = services.record_heartbeat(actor=agent, device_id=device.id, beat=beat, clock=estate.clock)

    assert "packages" in missing
    assert Device.objects.get().has_helper


def test_a_unit_that_changes_is_told_at_once_and_an_older_look_is_ignored(estate: Estate) -> None:
    device = estate.device()
    agent, now = estate.agent(device), estate.clock.now()

    def state(word: str, seconds: int) -> services.UnitReport:
        at = now + timedelta(seconds=seconds)
        return services.UnitReport("nginx.service", "systemd", word, at, at)

    services.record_unit_states(actor=agent, device_id=device.id, states=[state("running", 0)], clock=estate.clock)
    services.record_unit_states(actor=agent, device_id=device.id, states=[state("failed", 10)], clock=estate.clock)
    ignored = services.record_unit_states(actor=agent, device_id=device.id, states=[state("running", 5)], clock=estate.clock)

    assert ignored == ()
    assert UnitState.objects.get().state == "failed"
    assert events(estate)[1:] == ["unit.changed", "unit.changed"]
    assert acts(estate)[-1] == "estate.unit.changed"
