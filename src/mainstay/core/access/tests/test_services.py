"""Tenants, people, roles, grants, tokens and links."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from mainstay.core.access import queries, services, tokens
from mainstay.core.access.bootstrap import bootstrap, make_link, slug_of
from mainstay.core.access.models import Assignment, Grant, OneTimeLink, Person, PolicySet, Tenant, Token
from mainstay.core.access.services import links
from mainstay.core.ledger.services import PLATFORM
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused


def acts(tenant: UUID) -> list[str]:
    """The acts in a tenant's log, in order. Anchors are left out: the sequencer of a test before this one may have written some."""
    bind(tenant)
    with connection.cursor() as cursor:
        cursor.execute("SELECT act FROM ledger_entry WHERE act <> 'ledger.checkpoint.anchored' ORDER BY id")
        return [act for (act,) in cursor.fetchall()]


@pytest.fixture
def nadia(cast):
    bind(cast.northwind.id)
    return cast.nadia.actor


def test_the_first_start_makes_platform_organisation_policy_and_token(db, clock, tmp_path):
    organisation = bootstrap(clock, secrets_dir=tmp_path / "secrets", host_name="office.example.org")

    path = tmp_path / "secrets" / "cli-token"
    assert (organisation.slug, organisation.kind, organisation.prefix) == ("office", "provider", "OFF")
    assert Tenant.objects.get(kind="platform").id == PLATFORM
    assert (path.stat().st_mode & 0o777, tokens.read(path.read_text().strip()) is not None) == (0o600, True)
    assert PolicySet.objects.get().state == "live"
    assert acts(organisation.id) == ["access.tenant.opened", "access.token.created"]
    assert acts(PLATFORM) == ["access.policy.published"]


def test_a_second_start_changes_nothing(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    before = (tmp_path / "cli-token").read_text(), list(Tenant.objects.values_list("id", "number")), Token.objects.count()

    bootstrap(clock, secrets_dir=tmp_path)

    assert ((tmp_path / "cli-token").read_text(), list(Tenant.objects.values_list("id", "number")), Token.objects.count()) == before


def test_a_lost_token_file_is_replaced_and_the_old_token_ends(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    old = Token.objects.get()
    (tmp_path / "cli-token").write_text("nonsense")

    bootstrap(clock, secrets_dir=tmp_path)

    old.refresh_from_db()
    new = tokens.read((tmp_path / "cli-token").read_text().strip())
    assert old.revoked_at == clock.now()
    assert queries.live_token(new.key_id, clock.now()) is not None


@pytest.mark.parametrize(
    ("host", "slug"), [("", "home"), ("localhost", "home"), ("Büro-PC.local", "b-ro-pc"), ("---", "home"), ("x" * 60, "x" * 40)]
)
def test_the_organisation_is_named_after_the_host(host, slug):
    assert slug_of(host) == slug


def test_the_first_link_makes_the_first_owner_and_works_once(db, clock, tmp_path):
    organisation = bootstrap(clock, secrets_dir=tmp_path)
    secret = make_link(clock, "http://localhost:8080").rpartition("/")[2]

    used = services.use_link(secret=secret, name="Nadia", login="Nadia", clock=clock)

    reach = queries.reach_of_person(used.person, clock.now())
    assert (used.is_first_owner, used.person.login, dict(reach)) == (True, "nadia", {organisation.id: frozenset({"owner"})})
    with pytest.raises(NotFound):
        services.use_link(secret=secret, name="Iris", login="iris", clock=clock)
    assert Person.objects.count() == 1


def test_two_links_of_the_first_start_make_one_owner(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    first, second = (make_link(clock, "http://localhost:8080").rpartition("/")[2] for _ in range(2))
    services.use_link(secret=first, name="Nadia", login="nadia", clock=clock)

    with pytest.raises(Conflict) as caught:
        services.use_link(secret=second, name="Iris", login="iris", clock=clock)

    assert (caught.value.code, Person.objects.count()) == ("access.owner_exists", 1)


def test_a_later_link_signs_the_owner_in(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    first = services.use_link(secret=make_link(clock, "").rpartition("/")[2], name="Nadia", login="nadia", clock=clock)

    again = services.use_link(secret=make_link(clock, "").rpartition("/")[2], name="", login="", clock=clock)

    assert (again.person, again.is_first_owner) == (first.person, False)


def test_a_link_is_over_after_a_quarter_of_an_hour(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    secret = make_link(clock, "").rpartition("/")[2]
    clock.forward(seconds=15 * 60)

    with pytest.raises(NotFound):
        links.find_link(secret, clock)


def test_a_link_is_stored_as_a_hash_only(db, clock, tmp_path):
    bootstrap(clock, secrets_dir=tmp_path)
    secret = make_link(clock, "").rpartition("/")[2]

    row = OneTimeLink.objects.get()
    assert secret.encode() not in bytes(row.secret_sha256)
    assert len(bytes(row.secret_sha256)) == 32


def test_a_provider_reaches_its_clients_by_grants_only(cast):
    reach = queries.reach_of_person(cast.tara.person, cast.clock.now())

    assert {one: set(roles) for one, roles in reach.items()} == {
        one.id: {"technician_3"} for one in (cast.northwind, cast.harbor, cast.elm, cast.quay)
    }


def test_an_ended_grant_is_gone_from_the_next_actor(cast, nadia):
    grant = Grant.objects.get(person=cast.tara.person, into=cast.harbor)

    services.end_grant(actor=nadia, grant_id=grant.id, clock=cast.clock)

    reach = queries.reach_of_person(cast.tara.person, cast.clock.now())
    assert cast.harbor.id not in reach
    assert (acts(cast.harbor.id), acts(PLATFORM)) == (["access.grant.ended"], ["access.grant.ended"])


def test_a_client_may_end_a_grant_into_its_tenant(cast):
    grant = Grant.objects.get(person=cast.tara.person, into=cast.harbor)
    bind(cast.harbor.id)

    services.end_grant(actor=cast.omar.actor, grant_id=grant.id, clock=cast.clock)

    assert cast.harbor.id not in queries.reach_of_person(cast.tara.person, cast.clock.now())


def test_another_client_cannot_end_it(cast):
    grant = Grant.objects.get(person=cast.tara.person, into=cast.elm)
    bind(cast.harbor.id)

    with pytest.raises(NotFound):
        services.end_grant(actor=cast.omar.actor, grant_id=grant.id, clock=cast.clock)

    grant.refresh_from_db()
    assert grant.ended_at is None


def test_a_grant_into_somebody_elses_client_is_not_found(cast, nadia):
    with pytest.raises(NotFound):
        services.grant_access(
            actor=nadia, person_id=cast.tara.person.id, into=cast.southgate.id, kind="standing", purpose="none", clock=cast.clock
        )


@pytest.mark.parametrize(("hours", "ticket"), [(9, "NW-1"), (8, "")])
def test_just_in_time_needs_a_ticket_and_ends_within_eight_hours(cast, nadia, hours, ticket):
    with pytest.raises(Invalid) as caught:
        services.grant_access(
            actor=nadia,
            person_id=cast.tara.person.id,
            into=cast.harbor.id,
            kind="just_in_time",
            purpose="repair",
            clock=cast.clock,
            until=cast.clock.now() + timedelta(hours=hours),
            ticket=ticket,
        )

    assert (caught.value.code, Grant.objects.filter(kind="just_in_time").count()) == ("access.grant_too_wide", 0)


def test_a_grant_written_for_a_foreign_client_does_not_count(cast):
    """Even a row that should not exist leads nowhere: the client must be the person's own provider's."""
    Grant.objects.create(
        person=cast.iris.person, into=cast.harbor, kind="standing", purpose="x", from_at=cast.clock.now(), granted_by="s:attacker"
    )

    assert set(queries.reach_of_person(cast.iris.person, cast.clock.now())) == {cast.southgate.id}


def test_the_address_of_a_foreign_client_looks_like_one_that_does_not_exist(cast):
    reach = queries.reach_of_person(cast.iris.person, cast.clock.now())
    answers = []
    for slug in ("harbor", "nowhere"):
        with pytest.raises(NotFound) as caught:
            queries.scope(reach, cast.southgate.id, slug)
        answers.append((caught.value.code, caught.value.message, dict(caught.value.fields)))

    assert answers[0] == answers[1]


def test_a_person_with_less_elsewhere_reads_that_only_under_its_own_address(cast):
    Assignment.objects.create(person=cast.omar.person, role="auditor", scope=cast.elm, from_at=cast.clock.now(), granted_by="s:cast")
    reach = queries.reach_of_person(cast.omar.person, cast.clock.now())

    assert queries.scope(reach, cast.harbor.id, None).readable == (cast.harbor.id,)
    assert queries.scope(reach, cast.harbor.id, "elm").readable == (cast.elm.id,)


def test_adding_a_person_leaves_a_row_a_role_and_an_entry(cast, nadia):
    person = services.add_person(actor=nadia, name="Ruth", login="Ruth@Example.org", role="dispatcher", clock=cast.clock)

    assert (person.login, person.home_id, person.has_usable_password()) == ("ruth@example.org", cast.northwind.id, False)
    assert list(Assignment.objects.filter(person=person).values_list("role", "scope_id")) == [("dispatcher", cast.northwind.id)]
    assert acts(cast.northwind.id) == ["access.person.added"]


def test_a_technician_adds_nobody(cast):
    bind(cast.northwind.id)
    before = Person.objects.count()

    with pytest.raises(Refused):
        services.add_person(actor=cast.tara.actor, name="Eve", login="eve", role="technician_1", clock=cast.clock)

    assert (Person.objects.count(), acts(cast.northwind.id)) == (before, [])


@pytest.mark.parametrize("role", ["owner", "technician_1", "service", "agent", "nonsense"])
def test_a_client_admin_gives_no_role_of_the_provider(cast, role):
    bind(cast.harbor.id)

    with pytest.raises(Invalid):
        services.add_person(actor=cast.omar.actor, name="Eve", login="eve", role=role, clock=cast.clock)

    assert not Person.objects.filter(login="eve").exists()


def test_the_last_owner_stays(cast, nadia):
    assignment = Assignment.objects.get(person=cast.nadia.person)

    with pytest.raises(Conflict) as caught:
        services.end_assignment(actor=nadia, assignment_id=assignment.id, clock=cast.clock)

    assignment.refresh_from_db()
    assert (caught.value.code, assignment.until_at) == ("access.last_owner", None)


def test_disabling_a_person_ends_tokens_and_grants(cast, nadia):
    bind(cast.northwind.id)
    token, _ = services.create_token(actor=cast.tara.actor, label="script", clock=cast.clock)

    services.disable_person(actor=nadia, person_id=cast.tara.person.id, clock=cast.clock)

    assert queries.live_token(token.key_id, cast.clock.now()) is None
    assert Grant.objects.filter(person=cast.tara.person, ended_at=None).count() == 0
    assert not Person.objects.get(id=cast.tara.person.id).is_active


def test_a_token_is_shown_once_and_stored_as_a_hash(cast):
    bind(cast.northwind.id)
    token, text = services.create_token(actor=cast.tara.actor, label="script", clock=cast.clock, days=30)

    read = tokens.read(text)
    token.refresh_from_db()
    assert (read.key_id, read.secret_sha256) == (token.key_id, bytes(token.secret_sha256))
    assert token.expires_at == cast.clock.now() + timedelta(days=30)
    assert acts(cast.northwind.id) == ["access.token.created"]


def test_a_token_reaches_no_more_than_its_owner_does_now(cast):
    bind(cast.northwind.id)
    token, _ = services.create_token(actor=cast.tara.actor, label="script", clock=cast.clock, tenants=[cast.harbor.id, cast.elm.id])
    Grant.objects.filter(person=cast.tara.person, into=cast.elm).update(ended_at=cast.clock.now())

    assert set(queries.reach_of_token(token, cast.clock.now())) == {cast.harbor.id}


@pytest.mark.parametrize(
    "limits", [{"days": 366}, {"days": 0}, {"actions": ["no.such.action"]}, {"networks": ["nonsense"]}, {"tenants": [UUID(int=5)]}]
)
def test_a_token_beyond_its_limits_is_not_made(cast, limits):
    bind(cast.northwind.id)

    with pytest.raises(Invalid):
        services.create_token(actor=cast.tara.actor, label="script", clock=cast.clock, **limits)

    assert Token.objects.count() == 0


def test_a_new_client_is_reached_by_who_opened_it(cast, nadia):
    client = services.create_client(actor=nadia, name="Mill Lane Bakery", slug="mill", prefix="MILL", clock=cast.clock)

    assert client.id in queries.reach_of_person(cast.nadia.person, cast.clock.now())
    assert client.id not in queries.reach_of_person(cast.tara.person, cast.clock.now())
    assert client.number > cast.southgate.number


@pytest.mark.parametrize("wrong", [{"slug": "Mill Lane"}, {"prefix": "mill"}, {"zone": "Mars/Olympus"}, {"profile": "none"}])
def test_a_client_with_a_wrong_field_is_not_opened(cast, nadia, wrong):
    fields = {"name": "Mill", "slug": "mill", "prefix": "MILL", **wrong}

    with pytest.raises(Invalid):
        services.create_client(actor=nadia, clock=cast.clock, **fields)

    assert not Tenant.objects.filter(name="Mill").exists()


def test_two_providers_may_use_one_short_name(cast):
    bind(cast.southgate.id)
    Assignment.objects.create(person=cast.iris.person, role="admin", scope=cast.southgate, from_at=cast.clock.now(), granted_by="s:cast")

    client = services.create_client(actor=cast.iris._actor(None), name="Harbor Cafe", slug="harbor", prefix="HC", clock=cast.clock)

    reach = queries.reach_of_person(cast.iris.person, cast.clock.now())
    assert queries.scope(reach, cast.southgate.id, "harbor").tenant == client.id
    assert cast.tara.in_(cast.harbor).tenant == cast.harbor.id


def test_a_number_is_never_used_again(cast, nadia):
    with pytest.raises(Conflict):
        services.create_client(actor=nadia, name="Again", slug="harbor", prefix="HAR", clock=cast.clock)
    first = services.create_client(actor=nadia, name="One", slug="one", prefix="ONE", clock=cast.clock)
    second = services.create_client(actor=nadia, name="Two", slug="two", prefix="TWO", clock=cast.clock)

    assert second.number > first.number
