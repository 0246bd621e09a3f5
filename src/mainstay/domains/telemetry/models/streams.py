"""What must be known about streams of signals in order to count each batch once and each series under one id."""

from datetime import datetime

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class StreamMark(TenantOwned):
    """The last sequence number stored of one stream of one sender, per epoch (the life of the sender's spool file)."""

    sender = models.UUIDField()
    stream = models.CharField(max_length=20)
    epoch = models.CharField(max_length=64)
    last_seq = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_stream_mark"
        constraints = [models.UniqueConstraint(fields=["tenant", "sender", "stream", "epoch"], name="telemetry_stream_mark_once")]


class Series(TenantOwned):
    """A registered series. `number` is its id as a signed 64-bit integer: PostgreSQL has no unsigned one.

    The row is what keeps two label sets from sharing an id, carries the limits, and lets a page find the series of a device
    while the engine is busy.
    """

    number = models.BigIntegerField()
    salt = models.PositiveIntegerField(default=0)
    metric = models.CharField(max_length=256)
    labels = models.JSONField()
    target = models.UUIDField()
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="telemetry_series_once")]
        indexes = [models.Index(fields=["tenant", "target", "metric"], name="telemetry_series_target")]


class SeriesDict(TenantOwned):
    """A list of series that an agent sends once and then only names by its hash; `numbers` are little-endian UInt64."""

    sender = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    numbers = models.BinaryField()
    month = models.PositiveIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_series_dict"
        constraints = [models.UniqueConstraint(fields=["tenant", "sender", "sha256"], name="telemetry_series_dict_once")]


class Loss(TenantOwned):
    """Rows that a sender or we had to drop, drawn as a gap of kind `loss`."""

    sender = models.UUIDField()
    stream = models.CharField(max_length=20)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    rows = models.BigIntegerField()
    reason = models.CharField(max_length=40)

    class Meta:
        indexes = [models.Index(fields=["tenant", "sender", "-to_at"], name="telemetry_loss_at")]


class IntakeHealth(models.Model):
    """How the spool of one process does, as that process last said; it serves all tenants, so there is no tenant here."""

    spool: "models.CharField[str, str]" = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    fill_pct = models.FloatField()
    waiting_rows = models.BigIntegerField()
    away_since = models.DateTimeField(null=True)
    away_reason = models.CharField(max_length=300, blank=True)
    quarantined = models.PositiveIntegerField()
    quarantine_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "telemetry_intake_health"


class Rollup(models.Model):
    """How far a tier is computed; one engine serves all tenants, so there is no tenant here."""

    tier: "models.CharField[str, str]" = models.CharField(max_length=2, primary_key=True)
    through_at = models.DateTimeField()


class RollupDirty(models.Model):
    """An hour in which rows arrived after it was computed: it is computed again."""

    hour: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(primary_key=True)
    marked_at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_rollup_dirty"


class TelemetrySchema(models.Model):
    """Which numbered files the engine has; one engine serves all tenants, so there is no tenant here."""

    version = models.PositiveIntegerField(primary_key=True)
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    applied_at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_schema"
