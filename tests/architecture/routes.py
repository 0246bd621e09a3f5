"""Every address of the product, read from the resolver, with the methods that it answers and what its parameters name.

Owns: the reading. Invariant: a parameter whose meaning is unknown here fails the walk; a new route cannot slip by.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from django.urls import URLResolver, get_resolver
from ninja.operation import PathView

from mainstay.console.api import api

# Which table the value of a parameter names a row of. Everything that ends in `_id` must stand here.
ROW_OF: Mapping[str, str] = {
    "device_id": "estate_device",
    "alert_id": "alerting_alert",
    "incident_id": "desk_ticket",
    "run_id": "automation_run",
    "entry_id": "ledger_entry",
    "view_id": "ui_saved_view",
    "token_id": "access_token",
    "person_id": "access_person",
    "grant_id": "access_grant",
    "assignment_id": "access_assignment",
    "audit_id": "assurance_audit_run",
    "other_id": "assurance_audit_run",
    "finding_id": "assurance_finding",
}
# Words out of a closed list, the same in every tenant: they name no row.
WORDS: Mapping[str, str] = {
    "act": "acknowledge",
    "rule_id": "service_down",
    "key": "name",
    "metric": "cpu",
    "name": "restart-service",
    "sha256": "0" * 64,
    "token": "A" * 43,
    "stream": "samples",
    "reference": "HAR-1",
    "purpose": "reply",
    "page": "index",
    "part": "answer",
    "list_name": "estate.devices",
}
PUBLIC = ("account/", "hello/")
# Agents prove themselves by a signature in the request; tests of connectors/agent attack these.
UNBOUND = ("agent/",)


@dataclass(frozen=True)
class Route:
    """One address pattern."""

    pattern: str
    parameters: tuple[str, ...]
    methods: tuple[str, ...]

    @property
    def row_parameters(self) -> tuple[str, ...]:
        return tuple(name for name in self.parameters if name in ROW_OF)

    def address(self, values: Mapping[str, object]) -> str:
        """Fill the pattern in."""
        text = self.pattern
        for name in self.parameters:
            value = str(values.get(name, WORDS.get(name, "x")))
            for spelling in (f"<uuid:{name}>", f"<int:{name}>", f"<slug:{name}>", f"<str:{name}>", f"<path:{name}>", f"<{name}>"):
                text = text.replace(spelling, value)
        return f"/{text}"


def routes() -> list[Route]:
    """Return every address behind sign-in."""
    found = [route for route in _walk(get_resolver(), "") if not route.pattern.startswith((*PUBLIC, *UNBOUND))]
    return [route for route in found if not route.pattern.startswith("^")]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, pattern)
        else:
            yield Route(pattern, tuple(entry.pattern.converters), _methods(pattern))


def _methods(pattern: str) -> tuple[str, ...]:
    """An operation of the API knows its methods; a page answers reading and posting."""
    return operations_at().get(pattern) or ("GET", "POST")


@cache
def operations_at() -> Mapping[str, tuple[str, ...]]:
    """Return the methods of every address of the API, from its own registry."""
    found: dict[str, tuple[str, ...]] = {}
    for prefix, path, view in _path_views():
        address = f"api/v1/{prefix}/{path}".replace("//", "/").replace("{", "<").replace("}", ">")
        found[address] = tuple(sorted({method for operation in view.operations for method in operation.methods}))
    return found


def operation_ids() -> list[str | None]:
    """Return the name of every operation of the API."""
    return [operation.operation_id for _, _, view in _path_views() for operation in view.operations]


def _path_views() -> Iterator[tuple[str, str, PathView]]:
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            yield prefix.strip("/"), path.lstrip("/"), view
