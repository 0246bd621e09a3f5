"""How the invented organisations come to be: through the services that the console uses, by people who may."""

from collections.abc import Mapping
from uuid import UUID

from mainstay.cli.demo.cast import CLIENTS, OWNER, PEOPLE, Client, Somebody
from mainstay.cli.demo.stage import Stage, at_work
from mainstay.core.access import queries as access
from mainstay.core.access import services
from mainstay.core.access.models import Tenant
from mainstay.core.access.services.tenants import next_number
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.estate import services as estate
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.clock import Clock
from mainstay_trust import enrol

OTHER = "southgate"
USES = 60


def found(clock: Clock) -> None:
    """Make the tenants, their sites and the people."""
    home = access.organisation().id
    _other_provider(clock)
    with tenant_transaction(home):
        _add(_founder(home), OWNER, clock)
        for client in CLIENTS:
            _open(client, clock)
    tenants = known()
    for client in CLIENTS:
        with tenant_transaction(tenants[client.slug]):
            _open_sites(client, clock)
    for somebody in PEOPLE:
        _bring(somebody, tenants, clock)


def known() -> dict[str, UUID]:
    """Return the tenants by slug; "" is the provider."""
    rows = Tenant.objects.filter(kind__in=(Tenant.Kind.PROVIDER, Tenant.Kind.CLIENT)).values_list("slug", "id")
    return dict(rows) | {"": access.organisation().id}


def codes(stage: Stage) -> dict[str, enrol.Code]:
    """Return an enrolment code for each site, by the site's slug."""
    made: dict[str, enrol.Code] = {}
    for client in CLIENTS:
        tenant = stage.tenants[client.slug]
        sites = dict(Tenant.objects.filter(parent_id=tenant, kind=Tenant.Kind.SITE).values_list("slug", "id"))
        with tenant_transaction(tenant):
            actor = stage.person(OWNER.login, client.slug)
            for slug, _ in client.sites:
                new = estate.create_enrol_token(actor=actor, clock=stage.clock, site=sites[slug], uses=USES, labels={"site": slug})
                made[slug] = enrol.parse_code(new.code)
    return made


def _founder(tenant: UUID) -> Actor:
    """The command line of the server, which owns a tenant until somebody does."""
    return Actor(kind=ActorKind.SYSTEM, ref="s:cli", tenant=tenant, via=Via.CLI, roles=frozenset({"owner"}), readable=(tenant,))


def _open(client: Client, clock: Clock) -> None:
    services.create_client(
        actor=at_work(OWNER.login, "", clock),
        name=client.name,
        slug=client.slug,
        prefix=client.prefix,
        zone=client.zone,
        profile=client.profile,
        clock=clock,
    )


def _open_sites(client: Client, clock: Clock) -> None:
    nadia = at_work(OWNER.login, client.slug, clock)
    for slug, name in client.sites:
        services.create_site(actor=nadia, client_id=nadia.tenant, name=name, slug=slug, clock=clock)


def _bring(somebody: Somebody, tenants: Mapping[str, UUID], clock: Clock) -> None:
    with tenant_transaction(tenants[somebody.home]):
        person = _add(_founder(tenants[somebody.home]), somebody, clock)
    if somebody.home:
        return
    for client in CLIENTS:
        with tenant_transaction(tenants[""]):
            services.grant_access(
                actor=at_work(OWNER.login, "", clock),
                person_id=person,
                into=tenants[client.slug],
                kind="standing",
                purpose="managed services",
                clock=clock,
            )


def _add(actor: Actor, somebody: Somebody, clock: Clock) -> UUID:
    return services.add_person(actor=actor, name=somebody.name, login=somebody.login, role=somebody.role, clock=clock).id


def _other_provider(clock: Clock) -> None:
    """Make the provider of the intruder. One installation has one provider; the second exists to see nothing, so no service makes it."""
    row = Tenant.objects.create(
        kind=Tenant.Kind.PROVIDER, number=next_number(), name="Southgate IT", slug=OTHER, prefix="SG", created_at=clock.now()
    )
    with tenant_transaction(row.id):
        actor = actors.system("bootstrap", row.id, via=Via.SYSTEM)
        body = {"kind": "provider", "name": row.name, "slug": row.slug}
        ledger.record(actor, "access.tenant.opened", row.id, clock=clock, body=body)
