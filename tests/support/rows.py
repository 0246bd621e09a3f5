"""One row of every tenant table, made from the models alone.

Owns: how a field of any model gets a value that fits. Does not own: rows that mean something (builders of each part).
Invariant: a new table is covered by the isolation tests without anybody thinking of it; one that cannot be filled fails them.
"""

import itertools
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any  # values of any field of any model
from uuid import UUID

from django.apps import apps
from django.db import models

from mainstay.core.access.models import Person, Tenant
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id

CANARY = "xq7canary"
_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)

# Values that a check constraint demands, by table and column.
Overrides = Mapping[str, Mapping[str, Any]]


def tenant_models() -> list[type[models.Model]]:
    """Return every model with a tenant column, in order of their tables."""
    found = [model for model in apps.get_models() if any(field.column == "tenant" for field in model._meta.concrete_fields)]
    return sorted((model for model in found if model._meta.managed), key=lambda model: model._meta.db_table)


def key_column(model: type[models.Model]) -> str:
    """Return a column that names a row: the primary key, or its first part."""
    parts = [field.column for field in model._meta.pk_fields]
    return next(column for column in parts if column != "tenant")


class RowMaker:
    """Makes rows for a tenant, and the rows that those refer to."""

    def __init__(self, overrides: Overrides) -> None:
        self._overrides = overrides
        self._made: dict[tuple[UUID, str], models.Model] = {}

    def row(self, model: type[models.Model], tenant: UUID) -> models.Model:
        """Return the one row of a model in a tenant, made if need be, in a transaction bound to the tenant."""
        key = (tenant, model._meta.db_table)
        if key not in self._made:
            with tenant_transaction(tenant):
                self._made[key] = self._make(model, tenant)
        return self._made[key]

    def _make(self, model: type[models.Model], tenant: UUID) -> models.Model:
        fixed = self._overrides.get(model._meta.db_table, {})
        values = {field.attname: self._value(field, tenant) for field in model._meta.concrete_fields if self._is_needed(field)}
        values.update(fixed)
        made = model(**values)
        made.save(force_insert=True)
        return made

    def _is_needed(self, field: models.Field) -> bool:
        if field.column == "tenant" or isinstance(field, models.ForeignKey):
            return not field.null or isinstance(field, models.ForeignKey)
        return not (field.null or field.has_default() or isinstance(field, models.AutoField))

    def _value(self, field: models.Field, tenant: UUID) -> Any:
        if field.column == "tenant":
            return tenant
        if isinstance(field, models.ForeignKey):
            return self._reference(field, tenant)
        if field.choices:
            return next(value for value, _ in field.flatchoices)
        for kind, value in _VALUES.items():
            if isinstance(field, kind):
                return value(field)
        raise NotImplementedError(f"no value for {field}: say how one is made in tests/support/rows.py")

    def _reference(self, field: models.ForeignKey, tenant: UUID) -> Any:
        target = field.related_model
        if target is Tenant:
            return tenant
        if target is Person:
            return Person.objects.filter(home_id=tenant).values_list("id", flat=True).first()
        if field.null:
            return None
        return self._nested(target, tenant).pk

    def _nested(self, model: type[models.Model], tenant: UUID) -> models.Model:
        key = (tenant, model._meta.db_table)
        if key not in self._made:
            self._made[key] = self._make(model, tenant)
        return self._made[key]


def _text(field: models.Field) -> str:
    return f"{CANARY}{secrets.token_hex(12)}"[: field.max_length or 40]


# Fresh numbers, because a table may demand one of its own for each row.
_NUMBERS = itertools.count(1)

_VALUES: dict[type[models.Field], Callable[[models.Field], Any]] = {
    models.UUIDField: lambda _: new_id(),
    models.BooleanField: lambda _: False,
    models.DateTimeField: lambda _: _AT,
    models.DateField: lambda _: date(2026, 1, 15),
    models.DurationField: lambda _: _AT - _AT,
    models.TimeField: lambda _: _AT.time(),
    models.FloatField: lambda _: 1.0,
    models.DecimalField: lambda _: 1,
    # Far from where sequences count, so that no later row meets these.
    models.BigIntegerField: lambda _: 10**12 + next(_NUMBERS),
    models.IntegerField: lambda _: next(_NUMBERS),
    models.JSONField: lambda _: {},
    models.BinaryField: lambda _: secrets.token_bytes(32),
    models.GenericIPAddressField: lambda _: "192.0.2.1",
    models.CharField: _text,
    models.TextField: _text,
}
