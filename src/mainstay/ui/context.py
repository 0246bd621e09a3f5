"""What every page carries: the left column, the scope, the viewer's preferences."""

from django.conf import settings
from django.http import HttpRequest

from mainstay.core.access import queries as access
from mainstay.core.access.models import Person, Tenant
from mainstay.ui import navigation
from mainstay.ui.lists.viewer import clock_of

THEMES = ("auto", "light", "dark", "contrast")
DENSITIES = ("comfortable", "compact")
THEME_COOKIE = "ms_theme"
DENSITY_COOKIE = "ms_density"


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the context of the base page. Preferences are cookies without content: a word out of a closed list."""
    scope: Tenant | None = getattr(request, "tenant_scope", None)
    scopes = _scopes(request)
    return {
        "shell": {
            "theme": _choice(request.COOKIES.get(THEME_COOKIE), THEMES),
            "density": _choice(request.COOKIES.get(DENSITY_COOKIE), DENSITIES),
            "words": navigation.words(request),
            "actor": getattr(request, "actor", None),
            "person": getattr(request, "person", None),
            "label": settings.LAYOUT.settings["web.label"],
            "scope": scope,
            "scopes": scopes,
            "scope_name": scope.name if scope else _everything(scopes),
        }
    }


def _scopes(request: HttpRequest) -> list[Tenant]:
    """Return the organisations that the person may switch to, the provider first."""
    person: Person | None = getattr(request, "person", None)
    if person is None:
        return []
    reach = access.reach_of_person(person, clock_of(request).now())
    return list(Tenant.objects.filter(id__in=list(reach), closed_at=None).order_by("number"))


def _everything(scopes: list[Tenant]) -> str:
    return scopes[0].name if len(scopes) == 1 else "All clients"


def _choice(value: str | None, choices: tuple[str, ...]) -> str:
    return value if value in choices else choices[0]
