"""What every page carries: the left column, the scope, the viewer's preferences."""

from django.http import HttpRequest

from mainstay.ui import navigation

THEMES = ("auto", "light", "dark", "contrast")
DENSITIES = ("comfortable", "compact")
THEME_COOKIE = "ms_theme"
DENSITY_COOKIE = "ms_density"


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the context of the base page. Preferences are cookies without content: a word out of a closed list."""
    return {
        "shell": {
            "theme": _choice(request.COOKIES.get(THEME_COOKIE), THEMES),
            "density": _choice(request.COOKIES.get(DENSITY_COOKIE), DENSITIES),
            "words": navigation.words(request),
            "actor": getattr(request, "actor", None),
            "person": getattr(request, "person", None),
            "scope": getattr(request, "tenant_scope", None),
        }
    }


def _choice(value: str | None, choices: tuple[str, ...]) -> str:
    return value if value in choices else choices[0]
