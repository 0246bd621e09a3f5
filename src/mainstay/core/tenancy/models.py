"""The base of every tenant-owned table."""

from uuid import UUID

from django.db import models

from mainstay.core.tenancy.ids import new_id


class TenantOwned(models.Model):
    """A row of one tenant: UUIDv7 id, tenant column, row-level security (migration operation `RowSecurity`).

    The tenant is a plain column and not a foreign key: a foreign key bypasses row-level security and would
    tell, by its error, whether a row of another tenant exists.
    """

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant: "models.UUIDField[UUID, UUID]" = models.UUIDField(editable=False)

    class Meta:
        abstract = True
