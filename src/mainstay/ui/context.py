"""What every page carries: the left column, the scope, the viewer's preferences."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from mainstay.core.access import queries as access
from mainstay.core.access.models import Person, Tenant
from mainstay.ui import navigation
from mainstay.ui.lists.viewer import clock_of, viewer_zone

THEMES = ("auto", "light", "dark", "contrast")
DENSITIES = ("comfortable", "compact")
THEME_COOKIE = "ms_theme"
DENSITY_COOKIE = "ms_density"
SCOPE_COOKIE = "ms_scope"  # the number of an organisation: it names nobody


_RECORD = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|entries/\d+/")


@dataclass(frozen=True)
class Choice:
    """An organisation of the scope switcher, and the same page within it."""

    tenant: Tenant
    url: str
    is_site: bool


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the context of the base page. Preferences are cookies without content: a word out of a closed list."""
    scope: Tenant | None = getattr(request, "tenant_scope", None)
    scopes = scopes_of(request)
    return {
        "shell": {
            "theme": _choice(request.COOKIES.get(THEME_COOKIE), THEMES),
            "density": _choice(request.COOKIES.get(DENSITY_COOKIE), DENSITIES),
            "words": navigation.words(request),
            "actor": getattr(request, "actor", None),
            "person": getattr(request, "person", None),
            "label": settings.LAYOUT.settings["web.label"],
            "scope": scope,
            "scopes": [Choice(one, f"/c/{one.slug}{_same_place(request)}", one.kind == Tenant.Kind.SITE) for one in scopes],
            "everywhere": f"{_same_place(request)}?scope=all" if _same_place(request) == "/" else _same_place(request),
            "zone": viewer_zone(request),
            "scope_name": scope.name if scope else _everything(scopes),
        }
    }


def scopes_of(request: HttpRequest) -> list[Tenant]:
    """Return the organisations that the person may switch to, the provider first, each site below its client."""
    person: Person | None = getattr(request, "person", None)
    if person is None:
        return []
    reach = access.reach_of_person(person, clock_of(request).now())
    found = list(Tenant.objects.filter(id__in=list(reach), closed_at=None).order_by("number"))
    numbers = {one.id: one.number for one in found}
    return sorted(found, key=lambda one: _place(one, numbers))


def _place(one: Tenant, numbers: Mapping[UUID, int]) -> tuple[int, int, int]:
    if one.parent_id is not None and _is_site(one):
        return numbers.get(one.parent_id, 0), 1, one.number
    return one.number, 0, 0


def _is_site(one: Tenant) -> bool:
    return one.kind == Tenant.Kind.SITE


def _same_place(request: HttpRequest) -> str:
    """Return the address in another scope that shows the same: the page itself, or the list that a record stands in."""
    path = request.path_info
    record = _RECORD.search(path)
    return path[: record.start()] if record else path


def _everything(scopes: list[Tenant]) -> str:
    return scopes[0].name if len(scopes) == 1 else "All clients"


def _choice(value: str | None, choices: tuple[str, ...]) -> str:
    return value if value in choices else choices[0]
