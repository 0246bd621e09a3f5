"""The built-in policy: files of one line per permission, read once.

Owns: the policy and schema text, the list of actions, the version. Does not own: evaluation (cedar), caching (decisions).
Invariant: an action exists exactly when a policy line names it; its kind (read or write) follows from its last word.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mainstay.core.access import cedar
from mainstay.core.access.roles import Role

FOLDER = Path(__file__).parent / "policies"
READING = frozenset({"read", "list", "view", "export", "verify"})
_ACTION = re.compile(r'Action::"([a-z_]+\.[a-z_]+\.[a-z_]+)"')
_HOLDER = re.compile(r'permit \(principal in Role::"([a-z0-9_]+)", action == Action::"([a-z_.]+)"')


@dataclass(frozen=True)
class Catalogue:
    """A policy text with all that is derived from it."""

    text: str
    schema: str
    version: str
    actions: frozenset[str]
    holders: dict[str, tuple[str, ...]]  # action -> roles that a line permits it to
    policies: cedar.Policies


@cache
def builtin() -> Catalogue:
    """Return the catalogue that this release carries. Errors: Invalid when a file does not parse."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.cedar"))]
    return catalogue("\n".join(texts), (FOLDER / "schema.cedarschema").read_text(encoding="utf-8"))


def catalogue(text: str, nouns: str) -> Catalogue:
    """Derive actions, schema and version from policy lines and the schema of the nouns."""
    actions = frozenset(_ACTION.findall(text))
    schema = nouns + "".join(_declaration(action) for action in sorted(actions))
    holders: dict[str, list[str]] = {}
    for role, action in _HOLDER.findall(text):
        holders.setdefault(action, []).append(role)
    return Catalogue(
        text=text,
        schema=schema,
        version=hashlib.sha256(f"{schema}\0{text}".encode()).hexdigest()[:16],
        actions=actions,
        holders={action: tuple(roles) for action, roles in holders.items()},
        policies=cedar.parse(text, schema),
    )


def is_reading(action: str) -> bool:
    """Tell whether an action only reads, by its last word."""
    return action.rpartition(".")[2] in READING


def roles_that_may(action: str) -> tuple[str, ...]:
    """Return the roles that a refused person could ask for, weakest first as the file lists them."""
    return tuple(role for role in builtin().holders.get(action, ()) if role not in (Role.SERVICE, Role.AGENT))


def _declaration(action: str) -> str:
    group = "read" if is_reading(action) else "write"
    return (
        f'\naction "{action}" in ["{group}"] appliesTo '
        "{ principal: [Person, Device, System, Model], resource: [Tenant], context: Facts };"
    )
