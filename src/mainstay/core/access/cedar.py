"""The policy adapter: Cedar behind three functions.

Owns: parsing, validation, evaluation, and the names of policies in an answer. Does not own: entities of ours, caching (decisions).
Invariant: what cannot be parsed or evaluated denies; nothing here raises for a bad policy but `parse`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias  # cedarpy's entity documents are plain JSON trees

import cedarpy

from mainstay.kernel.errors import Invalid

Uid: TypeAlias = Mapping[str, str]  # {"type": ..., "id": ...}
Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """May this principal do this action on this resource?"""

    principal: Uid
    action: Uid
    resource: Uid
    context: Document


@dataclass(frozen=True)
class Answer:
    """Cedar's answer. `policies` are those that decided (their @id where they have one), `errors` those that failed."""

    allowed: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Policies:
    """Parsed policies with the schema that their requests are checked against (or none)."""

    handle: cedarpy.PolicySet
    schema: cedarpy.Schema | None = None


def parse(policies: str, schema: str | None = None) -> Policies:
    """Parse once, use often. Errors: Invalid("access.policy_invalid") with Cedar's own words and line."""
    try:
        return Policies(cedarpy.PolicySet.from_str(policies), _schema(schema) if schema is not None else None)
    except ValueError as error:
        raise Invalid("access.policy_invalid", f"The policy text cannot be read: {error}") from error


def entities(documents: str, schema: str | None = None) -> cedarpy.Entities:
    """Parse a JSON list of entities for reuse; a schema adds its actions and their groups. Errors: Invalid("access.entities_invalid")."""
    try:
        return cedarpy.Entities.from_json_str(documents, _schema(schema) if schema is not None else None)
    except ValueError as error:
        raise Invalid("access.entities_invalid", f"The entities cannot be read: {error}") from error


def complaints(policies: str, schema: str) -> list[str]:
    """Return what the schema has against the policies; an empty list when they are valid."""
    try:
        result = cedarpy.validate_policies(policies, _schema(schema))
    except ValueError as error:
        return [str(error)]
    return [] if result.validation_passed else [str(one) for one in result.errors] or ["the policies are not valid"]


def decide(requests: Sequence[Request], policies: Policies, known: cedarpy.Entities | str) -> list[Answer]:
    """Evaluate requests against one policy set and one set of entities, in order."""
    batch = [
        {"principal": dict(one.principal), "action": dict(one.action), "resource": dict(one.resource), "context": dict(one.context)}
        for one in requests
    ]
    results = cedarpy.is_authorized_batch(batch, policies.handle, known, schema=policies.schema)
    return [_answer(result) for result in results]


def _answer(result: cedarpy.AuthzResult) -> Answer:
    """A failed evaluation is `NoDecision` in cedarpy and a refusal here."""
    named = result.diagnostics.id_annotations_by_reason
    return Answer(
        allowed=result.allowed,
        policies=tuple(sorted(named.get(one) or one for one in result.diagnostics.reasons)),
        errors=tuple(result.diagnostics.errors),
    )


@lru_cache(maxsize=8)
def _schema(text: str) -> cedarpy.Schema:
    return cedarpy.Schema.from_str(text)
