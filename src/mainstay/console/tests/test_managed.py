"""Configuration as code: the vectors of the experience page, section 9."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from django.db import transaction
from tests.support.cast import Cast, make_cast

from mainstay.console.managed import apply_files, export_files
from mainstay.console.managed.applying import Wish
from mainstay.console.models import Managed
from mainstay.core.access import queries as access
from mainstay.core.access import services as access_services
from mainstay.core.access.bootstrap import bootstrap
from mainstay.core.access.models import Assignment, Person, Tenant
from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.domains.alerting import services as alerting
from mainstay.domains.alerting.models import RuleOverride
from mainstay.domains.automation import services as automation
from mainstay.domains.automation.rules.healing import Mode
from mainstay.domains.estate.models import Device, DeviceState
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.clock import FixedClock
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused

pytestmark = pytest.mark.django_db

THIRD = "rules.yaml:3: "
NOT_PLAIN = "rules.yaml:1: anchors, aliases and tags are not read; write it out"
RULES = """\
- rule: filesystem.filling
  client: harbor
  levels:
    WARNING:
      fire: 15
      recover: 18
  reason: small disks
"""


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    made = make_cast(clock)
    bind(made.northwind.id)
    return made


def applied(actor: Actor, files: Mapping[str, str], clock: FixedClock, wish: Wish | None = None) -> list[tuple[str, str, str]]:
    lines = apply_files(actor=actor, files=files, wish=wish or Wish(), clock=clock)
    return [(line.change, line.kind, line.key) for line in lines if line.change != "unmanaged"]


def acts(tenant: Tenant) -> list[str]:
    bind(tenant.id)
    return [row.act for row in ledger.entries(tenant.id).order_by("id")]


def test_what_is_exported_and_applied_to_an_empty_installation_is_exported_again_byte_for_byte(
    db: None, clock: FixedClock, tmp_path: Path
) -> None:
    mark = transaction.savepoint()
    cast = make_cast(clock)
    bind(cast.harbor.id)
    nadia = cast.nadia.in_(cast.harbor)
    alerting.change_rule(actor=nadia, rule_id="memory.pressure", clock=clock, reason="ours are small", wait_s=600)
    automation.set_heal_mode(actor=nadia, trigger="service.down", mode=Mode.ASK, clock=clock)
    bind(cast.northwind.id)
    exported = export_files(actor=cast.nadia.actor, clock=clock)
    transaction.savepoint_rollback(mark)

    empty = bootstrap(clock, secrets_dir=tmp_path, host_name="elsewhere")
    bind(empty.id)
    apply_files(actor=command_line(empty, clock), files=exported, wish=Wish(), clock=clock)

    assert export_files(actor=command_line(empty, clock), clock=clock) == exported
    assert sorted(exported) == ["clients.yaml", "healing.yaml", "people.yaml", "rules.yaml"]
    assert Tenant.objects.get(slug="elm").profile == "regulated"


def command_line(home: Tenant, clock: FixedClock) -> Actor:
    """The command line of the server, as its token makes it."""
    reach = access.reach_of_service("cli", clock.now())
    roles = reach[home.id]
    return Actor(kind=ActorKind.SYSTEM, ref="s:cli", tenant=home.id, via=Via.CLI, roles=roles, readable=tuple(reach))


WATCHED = "- device: har-dms-01\n  site: house\n  client: harbor\n  units:\n  - docvault.service\n"


def house(cast: Cast, clock: FixedClock) -> Tenant:
    bind(cast.harbor.id)
    nadia = cast.nadia.in_(cast.harbor)
    site = access_services.create_site(actor=nadia, client_id=cast.harbor.id, name="Harbour House", slug="house", clock=clock)
    bind(cast.northwind.id)
    return site


def device_joins(cast: Cast, clock: FixedClock, site: Tenant | None) -> Device:
    bind(cast.harbor.id)
    made = Device.objects.create(
        tenant=cast.harbor.id, name="har-dms-01", site=site.id if site else None, state=DeviceState.ACTIVE, machine_id_hash="m" * 64,
        first_enrolled_at=clock.now(), last_seen_at=clock.now(),
    )  # fmt: skip
    bind(cast.northwind.id)
    return made


def lines(actor: Actor, files: Mapping[str, str], clock: FixedClock, wish: Wish | None = None) -> list[tuple[str, str]]:
    found = apply_files(actor=actor, files=files, wish=wish or Wish(), clock=clock)
    return [(line.change, line.key) for line in found if line.kind == "watched"]


def test_what_files_say_of_a_machine_waits_until_it_has_joined(cast: Cast, clock: FixedClock) -> None:
    site, nadia, files = house(cast, clock), cast.nadia.actor, {"watched.yaml": WATCHED}
    assert lines(nadia, files, clock) == [("waiting", "harbor/house/har-dms-01")]
    assert export_files(actor=nadia, clock=clock)["watched.yaml"] == WATCHED, "what waits is not lost on the way to a third installation"

    device = device_joins(cast, clock, site)
    assert lines(nadia, files, clock) == [("create", "harbor/house/har-dms-01")]
    bind(cast.harbor.id)
    device.refresh_from_db()
    bind(cast.northwind.id)

    assert device.watch == ["docvault.service"]
    assert export_files(actor=nadia, clock=clock)["watched.yaml"] == WATCHED
    assert lines(nadia, files, clock) == []
    assert not Managed.objects.exclude(waiting=None).exists()


def test_what_waits_and_is_no_longer_in_the_files_is_forgotten_only_when_asked(cast: Cast, clock: FixedClock) -> None:
    house(cast, clock)
    nadia, nothing = cast.nadia.actor, {"watched.yaml": ""}
    lines(nadia, {"watched.yaml": WATCHED}, clock)

    assert lines(nadia, nothing, clock) == [("unmanaged", "harbor/house/har-dms-01")]
    assert lines(nadia, nothing, clock, Wish(prune=True)) == [("remove", "harbor/house/har-dms-01")]
    assert not Managed.objects.exists()


def test_a_machine_at_another_site_is_named_with_its_line_and_not_waited_for(cast: Cast, clock: FixedClock) -> None:
    device_joins(cast, clock, house(cast, clock))

    with pytest.raises(Invalid) as caught:
        lines(cast.nadia.actor, {"watched.yaml": WATCHED.replace("  site: house\n", "")}, clock)

    assert caught.value.message == "watched.yaml:1: the device har-dms-01 is at the site house; say so"
    assert not Managed.objects.exists()


def test_the_same_files_twice_change_nothing_and_leave_no_entry(cast: Cast, clock: FixedClock) -> None:
    nadia = cast.nadia.actor
    assert applied(nadia, {"rules.yaml": RULES}, clock) == [("create", "rules", "harbor/filesystem.filling/")]
    before = acts(cast.northwind), acts(cast.harbor)
    bind(cast.northwind.id)

    assert applied(nadia, {"rules.yaml": RULES}, clock) == []

    assert (acts(cast.northwind), acts(cast.harbor)) == before


def test_each_change_has_its_entry_in_the_log_of_its_tenant(cast: Cast, clock: FixedClock) -> None:
    applied(cast.nadia.actor, {"rules.yaml": RULES}, clock)

    assert acts(cast.harbor)[-1] == "alerting.rule.changed"
    assert acts(cast.northwind)[-1] == "console.config.applied"


def test_a_dry_run_says_what_would_change_and_changes_nothing(cast: Cast, clock: FixedClock) -> None:
    planned = applied(cast.nadia.actor, {"rules.yaml": RULES}, clock, Wish(dry_run=True))

    assert planned == [("create", "rules", "harbor/filesystem.filling/")]
    assert not Managed.objects.exists()
    bind(cast.harbor.id)
    assert not RuleOverride.objects.exists()


@pytest.mark.parametrize(
    ("file", "text", "code", "sentence"),
    [
        ("rules.yaml", RULES.replace("levels:", "levells:"), "config.unknown_field", f"{THIRD}unknown field levells; did you mean levels?"),
        ("rules.yaml", "- rule: memory.pressure\n", "config.field_missing", "rules.yaml:1: the field reason is missing"),
        ("rules.yaml", RULES + RULES, "config.object_twice", "rules.yaml:8: harbor/filesystem.filling/ stands in line 1 already"),
        ("rules.yaml", "- rule: 7\n", "config.wrong_type", "rules.yaml:1: the field rule is a text"),
        ("rules.yaml", "- &a {rule: x}\n- *a\n", "config.not_plain", NOT_PLAIN),
        ("rules.yaml", "- rule: !!python/name:os.system x\n", "config.not_plain", NOT_PLAIN),
        ("rules.yaml", "rule: x\n", "config.not_a_list", "rules.yaml:1: a file holds a list of objects, each beginning with a hyphen"),
        ("rule.yaml", RULES, "config.unknown_file", "unknown file rule.yaml; did you mean rules.yaml?"),
        ("rules.yaml", "- rule: 'x\n", "config.not_yaml", "rules.yaml:2: found unexpected end of stream"),
    ],
)  # fmt: skip
def test_what_a_file_may_not_say_is_named_by_file_and_line(
    cast: Cast, clock: FixedClock, file: str, text: str, code: str, sentence: str
) -> None:
    with pytest.raises(Invalid) as caught:
        applied(cast.nadia.actor, {file: text}, clock)

    assert (caught.value.code, caught.value.message) == (code, sentence)
    assert not Managed.objects.exists()


def test_a_service_that_refuses_undoes_the_whole_set_and_names_the_line(cast: Cast, clock: FixedClock) -> None:
    files = {
        "people.yaml": "- login: gus\n  name: Gus\n  roles: [technician_1]\n",
        "rules.yaml": RULES.replace("recover: 18", "recover: 3"),
    }

    with pytest.raises(Invalid, match=r"^rules\.yaml:1: The recover value") as caught, transaction.atomic():
        applied(cast.nadia.actor, files, clock)

    assert caught.value.code == "alerting.rule_hysteresis"
    assert not Person.objects.filter(login="gus").exists()


def test_who_may_not_change_people_applies_nothing(cast: Cast, clock: FixedClock) -> None:
    with pytest.raises(Refused):
        applied(cast.tara.actor, {"rules.yaml": RULES}, clock)

    assert not Managed.objects.exists()


def test_a_client_admin_configures_the_own_tenant_and_knows_no_other(cast: Cast, clock: FixedClock) -> None:
    bind(cast.harbor.id)

    assert list(export_files(actor=cast.omar.actor, clock=clock)) == ["people.yaml"]
    with pytest.raises(NotFound, match="no client elm"):
        applied(cast.omar.actor, {"rules.yaml": RULES.replace("harbor", "elm")}, clock)


def test_what_was_changed_outside_the_files_stops_the_set_until_it_is_overwritten(cast: Cast, clock: FixedClock) -> None:
    nadia = cast.nadia.actor
    applied(nadia, {"rules.yaml": RULES}, clock)
    bind(cast.harbor.id)
    alerting.change_rule(actor=cast.nadia.in_(cast.harbor), rule_id="filesystem.filling", clock=clock, reason="by hand", is_enabled=False)
    bind(cast.northwind.id)

    with pytest.raises(Conflict) as caught:
        applied(nadia, {"rules.yaml": RULES}, clock)

    assert caught.value.code == "config.drift"
    assert caught.value.message.startswith("rules.yaml:1: rules harbor/filesystem.filling/ was changed outside the files")
    bind(cast.northwind.id)
    assert applied(nadia, {"rules.yaml": RULES}, clock, Wish(overwrite_drift=True)) == [("update", "rules", "harbor/filesystem.filling/")]


def test_what_a_file_no_longer_names_stays_until_its_own_set_is_pruned(cast: Cast, clock: FixedClock) -> None:
    nadia = cast.nadia.actor
    applied(nadia, {"rules.yaml": RULES}, clock, Wish(file_set="disks"))

    assert applied(nadia, {}, clock, Wish(file_set="disks")) == []
    assert applied(nadia, {}, clock, Wish(file_set="others", prune=True)) == []
    assert applied(nadia, {}, clock, Wish(file_set="disks", prune=True)) == [("remove", "rules", "harbor/filesystem.filling/")]
    assert "rules.yaml" not in export_files(actor=nadia, clock=clock)


def test_a_client_and_what_refers_to_it_come_in_one_set_in_any_order(cast: Cast, clock: FixedClock) -> None:
    files = {
        "rules.yaml": RULES.replace("harbor", "oak"),
        "clients.yaml": "- name: oak\n  title: Oak Lane Dental\n  prefix: OAK\n  sites:\n  - name: main\n    title: Oak Lane\n",
        "people.yaml": "- login: olga\n  name: Olga\n  client: oak\n  roles: [end_user, client_manager]\n",
    }

    assert applied(cast.nadia.actor, files, clock) == [
        ("create", "clients", "oak"),
        ("create", "people", "olga"),
        ("create", "rules", "oak/filesystem.filling/"),
    ]
    roles = Assignment.objects.filter(person__login="olga").values_list("role", flat=True)
    assert sorted(roles) == ["client_manager", "end_user"]
    assert Tenant.objects.get(slug="main").parent == Tenant.objects.get(slug="oak")
