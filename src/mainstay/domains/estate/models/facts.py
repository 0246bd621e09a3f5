"""Inventory facts: the latest of each group, how they changed, and the packages as rows of their own."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Fact(TenantOwned):
    """The latest value of one fact group of one device; `unknown` is the typed reason when there is no value."""

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="facts")
    group = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    collected_at = models.DateTimeField()
    received_at = models.DateTimeField()
    body = models.JSONField(null=True)
    unknown = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "device", "group"], name="estate_fact_once")]


class FactChange(TenantOwned):
    """One change of a group as a JSON Patch (RFC 6902). `cause` names the command that explains it, if one does."""

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="fact_changes")
    group = models.CharField(max_length=40)
    patch = models.JSONField()
    at = models.DateTimeField()
    cause = models.UUIDField(null=True)

    class Meta:
        db_table = "estate_fact_change"
        indexes = [models.Index(fields=["tenant", "device", "-at"], name="estate_fact_change_at")]


class Package(TenantOwned):
    """A package that is installed now."""

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="packages")
    manager = models.CharField(max_length=12)
    name = models.CharField(max_length=200)
    version = models.CharField(max_length=200)
    arch = models.CharField(max_length=20, blank=True)
    source_name = models.CharField(max_length=200, blank=True)
    source_version = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=200, blank=True)
    held = models.BooleanField(default=False)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "device", "manager", "name", "arch"], name="estate_package_once")]
        indexes = [models.Index(fields=["tenant", "name"], name="estate_package_name")]


class PackageHistory(TenantOwned):
    """An interval in which a version was installed; it is closed when the version goes."""

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="package_history")
    name = models.CharField(max_length=200)
    arch = models.CharField(max_length=20, blank=True)
    version = models.CharField(max_length=200)
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        db_table = "estate_package_history"
        indexes = [models.Index(fields=["tenant", "device", "-until_at"], name="estate_package_history_at")]
