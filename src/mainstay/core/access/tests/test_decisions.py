"""Who may do what."""

from dataclasses import replace
from uuid import UUID

import pytest

from mainstay.core.access import catalogue, cedar, decisions
from mainstay.core.access.decisions import Because, Memory, Ruling, rule
from mainstay.core.access.roles import CONTAINS, Role, held
from mainstay.core.access.services.decide import require
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.errors import Invalid, Refused

HOME, CLIENT, FOREIGN = (UUID(int=number) for number in (1, 2, 3))


def person(*roles: str, **changes) -> Actor:
    actor = Actor(
        kind=ActorKind.PERSON, ref="p:test", tenant=HOME, via=Via.WEB, roles=frozenset(roles), readable=(HOME, CLIENT), person_id=HOME
    )
    return replace(actor, **changes)


def test_a_technician_opens_incidents_at_home():
    assert rule(person("technician_1"), "desk.incident.open", HOME).allowed


def test_a_role_holds_what_the_roles_below_it_hold():
    answers = {role: rule(person(role), "access.tenant.read", HOME).allowed for role in ("owner", "technician_3", "billing", "end_user")}

    assert answers == {"owner": True, "technician_3": True, "billing": True, "end_user": False}


def test_without_a_role_nothing_is_permitted():
    allowed = [action for action in catalogue.builtin().actions if rule(person(), action, HOME).allowed]

    assert allowed == []


def test_an_owner_may_not_touch_a_tenant_out_of_reach():
    ruling = rule(person("owner"), "access.tenant.read", FOREIGN)

    assert (ruling.allowed, ruling.reason) == (False, Because.FORBIDDEN)
    assert "access.wall.tenant" in ruling.policies


def test_reading_crosses_to_readable_tenants_and_writing_does_not():
    owner = person("owner")

    assert rule(owner, "access.tenant.read", CLIENT).allowed
    assert rule(owner, "access.person.add", CLIENT).policies == ("access.wall.write",)


def test_a_token_does_only_what_it_names():
    token = person("owner", actions=frozenset({"access.tenant.read"}))

    assert rule(token, "access.tenant.read", HOME).allowed
    assert rule(token, "access.person.add", HOME).policies == ("access.wall.token",)


def test_a_token_never_does_more_than_its_owner():
    token = person("end_user", actions=frozenset({"access.person.add"}))

    assert rule(token, "access.person.add", HOME).reason is Because.NO_PERMIT


def test_an_action_that_no_policy_names_is_refused_to_everybody():
    assert rule(person("owner"), "desk.incident.juggle", HOME).reason is Because.UNKNOWN_ACTION


def test_a_refusal_names_the_roles_that_would_help():
    with pytest.raises(Refused) as caught:
        require(person("end_user"), "access.person.add")

    assert caught.value.code == "access.action_refused"
    assert caught.value.fields["policy"] == "access.default_deny"
    assert caught.value.fields["helps"] == ["admin", "client_admin"]


def test_devices_and_parts_of_the_system_hold_nothing_of_people():
    device = actors.device(UUID(int=9), HOME)
    worker = actors.system("worker", HOME)
    people_only = [action for action, roles in catalogue.builtin().holders.items() if not {"agent", "service"} & set(roles)]

    assert [action for action in people_only if rule(device, action, HOME).allowed or rule(worker, action, HOME).allowed] == []


def test_the_built_in_policies_are_valid_against_their_schema():
    known = catalogue.builtin()

    assert cedar.complaints(known.text, known.schema) == []


def test_every_policy_line_carries_the_name_of_its_action():
    lines = [line for path in catalogue.FOLDER.glob("*.cedar") for line in path.read_text().splitlines() if line.startswith("@id")]
    names = [line.split('"')[1] for line in lines]
    wrong = [line for line in lines if " permit " in line and line.split('"')[1].split("/")[0] != line.split('Action::"')[1].split('"')[0]]

    assert wrong == []
    assert len(names) == len(set(names))


def test_every_role_of_a_policy_line_exists():
    known = catalogue.builtin()

    assert {role for roles in known.holders.values() for role in roles} <= set(CONTAINS)


def test_an_emergency_account_holds_every_role_of_the_provider():
    assert held(frozenset({"emergency"})) >= {Role.OWNER, Role.TECHNICIAN_1, "staff", "member"}


def test_a_policy_that_cannot_be_read_is_invalid():
    with pytest.raises(Invalid) as caught:
        catalogue.catalogue("permit (principal, action", "")

    assert caught.value.code == "access.policy_invalid"


def test_a_prohibition_that_fails_to_evaluate_refuses(monkeypatch):
    broken = '@id("x") forbid (principal, action, resource) when { principal.missing == 1 };'
    world = catalogue.builtin()
    policies = cedar.parse(world.text + broken)
    monkeypatch.setattr(catalogue, "builtin", lambda: replace(world, policies=policies, version="broken"))

    ruling = rule(person("owner"), "access.tenant.read", HOME)

    assert (ruling.allowed, ruling.reason) == (False, Because.ERROR)


def test_a_change_of_roles_is_seen_by_the_next_decision():
    before = rule(person("technician_1"), "access.person.add", HOME)
    after = rule(person("admin"), "access.person.add", HOME)

    assert (before.allowed, after.allowed) == (False, True)


def test_an_answer_is_forgotten_after_a_minute():
    memory, ruling = Memory(), Ruling(True, Because.PERMITTED)
    memory.put("key", ruling, 100.0)

    assert memory.get("key", 159.9) is ruling
    assert memory.get("key", 160.0) is None


def test_the_memory_forgets_the_oldest_answer_first():
    memory = Memory(size_max=2)
    for number in range(3):
        memory.put(number, Ruling(True, Because.PERMITTED), 0.0)

    assert [memory.get(number, 0.0) is not None for number in range(3)] == [False, True, True]


def test_a_cached_answer_is_the_same_as_a_fresh_one():
    decisions.memory.clear()
    first = rule(person("technician_1"), "desk.incident.open", HOME)

    assert rule(person("technician_1"), "desk.incident.open", HOME) is first
