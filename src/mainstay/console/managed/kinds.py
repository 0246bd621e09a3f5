"""The kinds of configuration: what each says in a file, how it is read from the installation, and which services carry it out.

Owns: the table `KINDS`, in the order in which references point (clients, people, then what is in a client): no object can refer to
a later kind, so there are no cycles. Does not own: permissions and evidence; the services ask and record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.db.models import QuerySet

from mainstay.console.managed.files import Field, Spec
from mainstay.console.managed.reach import HOME, Reach
from mainstay.core.access import queries as access
from mainstay.core.access import services as access_services
from mainstay.core.access.models import Grant, Person, Tenant
from mainstay.domains.alerting import services as alerting
from mainstay.domains.alerting.models import RuleOverride
from mainstay.domains.automation import services as automation
from mainstay.domains.automation.models import HealRule
from mainstay.domains.automation.rules.healing import Mode
from mainstay.domains.estate import queries as estate
from mainstay.domains.estate import services as estate_services
from mainstay.kernel.errors import Invalid, NotFound
from mainstay.kernel.json import Json

TEXT, NAMES = (str,), (list,)
ANYWHERE = Field(TEXT, HOME)

Current = Callable[[Reach], list[Spec]]
Change = Callable[[Reach, Spec | None, Spec], None]
Remove = Callable[[Reach, Spec], None]
Waits = Callable[[Reach, Spec], bool]


def _never(reach: Reach, spec: Spec) -> bool:
    return False


@dataclass(frozen=True)
class Kind:
    """One kind, and with its name the file. `key`: the fields that name an object. `waits`: what it is about is not there yet."""

    name: str
    fields: Mapping[str, Field]
    key: tuple[str, ...]
    current: Current
    change: Change
    remove: Remove
    waits: Waits = _never

    def key_of(self, spec: Spec) -> str:
        return "/".join(str(spec[name]) for name in self.key)


# --- clients and their sites ---------------------------------------------------------------------------------------------


def _clients(reach: Reach) -> list[Spec]:
    rows = Tenant.objects.filter(id__in=[one for slug, one in reach.tenants.items() if slug != HOME])
    return [
        {"name": row.slug, "title": row.name, "prefix": row.prefix, "zone": row.zone, "profile": row.profile, "sites": _sites(row.id)}
        for row in rows
    ]


def _sites(client: UUID) -> list[Json]:
    rows = Tenant.objects.filter(parent_id=client, kind=Tenant.Kind.SITE, closed_at=None).order_by("slug")
    return [{"name": slug, "title": name} for slug, name in rows.values_list("slug", "name")]


def _change_client(reach: Reach, have: Spec | None, spec: Spec) -> None:
    if have is None:
        with reach.inside(HOME) as actor:
            opened = access_services.create_client(
                actor=actor,
                name=_text(spec, "title"),
                slug=_text(spec, "name"),
                prefix=_text(spec, "prefix"),
                zone=_text(spec, "zone"),
                profile=_text(spec, "profile"),
                clock=reach.clock,
            )
        reach.refresh(opened.id)
    else:
        _keep(have, spec, "title", "prefix", "zone", "profile")
    _open_sites(reach, {} if have is None else _by_name(have), _by_name(spec), _text(spec, "name"))


def _open_sites(reach: Reach, have: Mapping[str, str], want: Mapping[str, str], slug: str) -> None:
    renamed = [name for name, title in have.items() if want.get(name) != title]
    if renamed:
        raise Invalid("config.site_fixed", f"the site {renamed[0]} is there; files open sites, they do not rename or close them")
    with reach.inside(slug) as actor:
        for name in sorted(set(want) - set(have)):
            access_services.create_site(actor=actor, client_id=actor.tenant, name=want[name], slug=name, clock=reach.clock)


def _by_name(spec: Spec) -> dict[str, str]:
    sites = cast(list[Mapping[str, str]], spec["sites"])
    if not all(isinstance(one, dict) and set(one) == {"name", "title"} for one in sites):
        raise Invalid("config.site_bad", "a site has a name and a title")
    return {str(one["name"]): str(one["title"]) for one in sites}


# --- people --------------------------------------------------------------------------------------------------------------


def _people(reach: Reach) -> list[Spec]:
    slugs = {tenant: slug for slug, tenant in reach.tenants.items()}
    people = Person.objects.filter(home_id__in=list(slugs), is_active=True)
    return [_person(reach, one, slugs) for one in people]


def _person(reach: Reach, person: Person, slugs: Mapping[UUID, str]) -> Spec:
    roles = access.assignments(person.home_id, reach.clock.now()).filter(person=person).values_list("role", flat=True)
    grants = _grants(person).values_list("into_id", flat=True)
    return {
        "login": person.login,
        "name": person.name,
        "mail": person.mail,
        "client": slugs[person.home_id],
        "roles": sorted(set(roles)),
        "clients": sorted(slugs[one] for one in set(grants) if one in slugs),
    }


def _grants(person: Person) -> "QuerySet[Grant]":
    return Grant.objects.filter(person=person, kind=Grant.Kind.STANDING, ended_at=None)


def _change_person(reach: Reach, have: Spec | None, spec: Spec) -> None:
    roles = _texts(spec, "roles")
    if not roles:
        raise Invalid("config.person_without_role", "a person has at least one role")
    with reach.inside(_text(spec, "client")) as actor:
        if have is None:
            access_services.add_person(
                actor=actor,
                name=_text(spec, "name"),
                login=_text(spec, "login"),
                role=roles[0],
                mail=_text(spec, "mail"),
                clock=reach.clock,
            )
        else:
            _keep(have, spec, "name", "mail", "client")
        person = Person.objects.get(login=_text(spec, "login"), home_id=actor.tenant)
        held = {row.role: row.id for row in access.assignments(actor.tenant, reach.clock.now()).filter(person=person)}
        for role in [one for one in roles if one not in held]:
            access_services.assign_role(actor=actor, person_id=person.id, role=role, clock=reach.clock, reason="configuration")
        for role in sorted(set(held) - set(roles)):
            access_services.end_assignment(actor=actor, assignment_id=held[role], clock=reach.clock)
    _change_grants(reach, person, _texts(spec, "clients"))


def _change_grants(reach: Reach, person: Person, want: Sequence[str]) -> None:
    slugs = {tenant: slug for slug, tenant in reach.tenants.items()}
    held = {slugs[row.into_id]: row.id for row in _grants(person) if row.into_id in slugs}
    with reach.inside(HOME) as actor:
        for slug in sorted(set(want) - set(held)):
            if slug not in reach.tenants:
                raise NotFound("config.client_unknown", f"there is no client {slug}")
            access_services.grant_access(
                actor=actor, person_id=person.id, into=reach.tenants[slug], kind="standing", purpose="configuration", clock=reach.clock
            )
        for slug in sorted(set(held) - set(want)):
            access_services.end_grant(actor=actor, grant_id=held[slug], clock=reach.clock)


def _remove_person(reach: Reach, spec: Spec) -> None:
    with reach.inside(_text(spec, "client")) as actor:
        person = Person.objects.get(login=_text(spec, "login"), home_id=actor.tenant)
        access_services.disable_person(actor=actor, person_id=person.id, clock=reach.clock)


# --- what is in a client: rules, healing, watched units ------------------------------------------------------------------


def _rules(reach: Reach) -> list[Spec]:
    found: list[Spec] = []
    for slug in reach.tenants:
        with reach.inside(slug) as actor:
            names = _device_names(actor.tenant)
            for row in RuleOverride.objects.filter(tenant=actor.tenant):
                is_default = row.is_enabled and not row.levels and row.wait_s is None
                device = names.get(row.device_id, "") if row.device_id else ""
                if not is_default and (device or row.device_id is None):
                    found.append(
                        {"rule": row.rule_id, "client": slug, "device": device, "enabled": row.is_enabled, "levels": dict(row.levels),
                         "wait_s": row.wait_s, "reason": row.reason}
                    )  # fmt: skip
    return found


def _change_rule(reach: Reach, have: Spec | None, spec: Spec) -> None:
    with reach.inside(_text(spec, "client")) as actor:
        alerting.change_rule(
            actor=actor,
            rule_id=_text(spec, "rule"),
            device_id=_device(actor.tenant, _text(spec, "device")) if spec["device"] else None,
            is_enabled=spec["enabled"] is True,
            levels=cast(Mapping[str, Mapping[str, float]], spec["levels"]),
            wait_s=cast(int | None, spec["wait_s"]),
            reason=_text(spec, "reason"),
            clock=reach.clock,
        )


def _remove_rule(reach: Reach, spec: Spec) -> None:
    """Without an override the built-in rule holds, and an override that changes nothing is none."""
    _change_rule(reach, spec, {**spec, "enabled": True, "levels": {}, "wait_s": None, "reason": "no longer in the files"})


def _healing(reach: Reach) -> list[Spec]:
    found: list[Spec] = []
    for slug in reach.tenants:
        with reach.inside(slug) as actor:
            rows = HealRule.objects.filter(tenant=actor.tenant).exclude(mode=Mode.SHADOW)
            found += [{"trigger": row.trigger, "client": slug, "mode": row.mode} for row in rows]
    return found


def _change_healing(reach: Reach, have: Spec | None, spec: Spec) -> None:
    if spec["mode"] not in list(Mode):
        raise Invalid("config.mode_unknown", f"there is no mode {spec['mode']}; known are {', '.join(Mode)}")
    with reach.inside(_text(spec, "client")) as actor:
        automation.set_heal_mode(actor=actor, trigger=_text(spec, "trigger"), mode=Mode(_text(spec, "mode")), clock=reach.clock)


def _remove_healing(reach: Reach, spec: Spec) -> None:
    _change_healing(reach, spec, {**spec, "mode": str(Mode.SHADOW)})


def _watched(reach: Reach) -> list[Spec]:
    found: list[Spec] = []
    for slug in reach.tenants:
        with reach.inside(slug) as actor:
            sites = {site: name for name, site in _sites_of(actor.tenant).items()}
            rows = list(estate.devices([actor.tenant]).values_list("name", "site", "watch"))
            named = [(name, site) for name, site, _ in rows]
            found += [
                {"device": name, "site": sites.get(site, "") if site else "", "client": slug, "units": sorted(watch)}
                for name, site, watch in rows
                if watch and named.count((name, site)) == 1
            ]
    return found


def _change_watched(reach: Reach, have: Spec | None, spec: Spec) -> None:
    with reach.inside(_text(spec, "client")) as actor:
        device = _placed(actor.tenant, spec)
        if device is None:
            raise NotFound("config.device_unknown", f"there is no device {spec['device']}")
        estate_services.set_watch(actor=actor, device_id=device, units=_texts(spec, "units"), clock=reach.clock)


def _remove_watched(reach: Reach, spec: Spec) -> None:
    _change_watched(reach, spec, {**spec, "units": []})


def _device_is_missing(reach: Reach, spec: Spec) -> bool:
    """A machine joins by itself and later than files are written; what they say of it waits for it."""
    if spec["client"] not in reach.tenants:
        return False  # a client that nobody knows is a mistake, and is refused as one
    with reach.inside(_text(spec, "client")) as actor:
        return _placed(actor.tenant, spec) is None


def _placed(tenant: UUID, spec: Spec) -> UUID | None:
    """Return the device with this name at this site, or None while there is none. Errors: Invalid, when it cannot be told which."""
    name, site = _text(spec, "device"), _text(spec, "site")
    sites = _sites_of(tenant)
    if site and site not in sites:
        raise NotFound("config.site_unknown", f"there is no site {site}")
    rows = list(estate.devices([tenant]).filter(name=name).values_list("id", "site"))
    here = [device for device, at in rows if at == sites.get(site)]
    if len(here) > 1:
        raise Invalid("config.device_not_one", f"more than one device is named {name} there")
    if rows and not here:
        there = [known for known, at in sites.items() if at == rows[0][1]]
        raise Invalid("config.device_elsewhere", f"the device {name} is at {f'the site {there[0]}' if there else 'no site'}; say so")
    return here[0] if here else None


def _sites_of(tenant: UUID) -> dict[str, UUID]:
    rows = Tenant.objects.filter(parent_id=tenant, kind=Tenant.Kind.SITE, closed_at=None)
    return dict(rows.values_list("slug", "id"))


# --- helpers -------------------------------------------------------------------------------------------------------------


def _refuse_removal(reach: Reach, spec: Spec) -> None:
    raise Invalid("config.client_stays", f"the client {spec['name']} is not closed by a file; end the contract in the console")


def _device_names(tenant: UUID) -> dict[UUID, str]:
    """Return the names that name one device; a name that two devices have names none."""
    rows = list(estate.devices([tenant]).values_list("id", "name"))
    names = [name for _, name in rows]
    return {device: name for device, name in rows if names.count(name) == 1}


def _device(tenant: UUID, name: str) -> UUID:
    found = [device for device, known in _device_names(tenant).items() if known == name]
    if not found:
        raise NotFound("config.device_unknown", f"no device is named {name}, or more than one is")
    return found[0]


def _keep(have: Spec, spec: Spec, *fields: str) -> None:
    changed = [name for name in fields if have[name] != spec[name]]
    if changed:
        raise Invalid("config.field_fixed", f"{changed[0]} is {have[changed[0]]!r} and cannot be changed by a file")


def _text(spec: Spec, name: str) -> str:
    return str(spec[name])


def _texts(spec: Spec, name: str) -> list[str]:
    value = spec[name]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("config.not_names", f"{name} is a list of names")
    return [str(one) for one in value]


KINDS: tuple[Kind, ...] = (
    Kind(
        "clients",
        {"name": Field(TEXT), "title": Field(TEXT), "prefix": Field(TEXT), "zone": Field(TEXT, "UTC"), "profile": Field(TEXT, "standard"),
         "sites": Field(NAMES, [])},
        ("name",), _clients, _change_client, _refuse_removal,
    ),
    Kind(
        "people",
        {"login": Field(TEXT), "name": Field(TEXT), "mail": Field(TEXT, ""), "client": ANYWHERE, "roles": Field(NAMES),
         "clients": Field(NAMES, [])},
        ("login",), _people, _change_person, _remove_person,
    ),
    Kind(
        "rules",
        {"rule": Field(TEXT), "client": ANYWHERE, "device": Field(TEXT, ""), "enabled": Field((bool,), True), "levels": Field((dict,), {}),
         "wait_s": Field((int,), is_optional=True), "reason": Field(TEXT)},
        ("client", "rule", "device"), _rules, _change_rule, _remove_rule,
    ),
    Kind(
        "healing",
        {"trigger": Field(TEXT), "client": ANYWHERE, "mode": Field(TEXT)},
        ("client", "trigger"), _healing, _change_healing, _remove_healing,
    ),
    Kind(
        "watched",
        {"device": Field(TEXT), "site": Field(TEXT, ""), "client": ANYWHERE, "units": Field(NAMES)},
        ("client", "site", "device"), _watched, _change_watched, _remove_watched, _device_is_missing,
    ),
)  # fmt: skip
