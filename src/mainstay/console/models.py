"""What the console itself keeps: which objects files have configured."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Managed(TenantOwned):
    """An object that a set of files has configured. `sha256`: what it said when it was last applied; another value since is drift.

    `waiting`: what the files say of something that is not there yet, such as a machine that has not joined; null once it is applied.
    """

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=500)
    file_set = models.CharField(max_length=60)
    sha256 = models.CharField(max_length=64)
    waiting = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "console_managed"
        constraints = [models.UniqueConstraint(fields=["tenant", "kind", "key"], name="console_managed_once")]
