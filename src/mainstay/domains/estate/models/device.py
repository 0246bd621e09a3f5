"""Devices and the public keys by which they prove themselves.

Invariant: a device is never deleted; it is revoked, or it leaves, and its history stays.
"""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class DeviceState(models.TextChoices):
    """What the device may do with us (endpoint page, section 2.2)."""

    PENDING = "pending", "Waits for approval"
    ACTIVE = "active", "Active"
    QUARANTINED = "quarantined", "Quarantined"
    REVOKED = "revoked", "Revoked"
    LEFT = "left", "Left"


class Lifecycle(models.TextChoices):
    """Where the device is in its life as a thing that somebody bought."""

    ORDERED = "ordered", "Ordered"
    STOCK = "stock", "In stock"
    DEPLOYED = "deployed", "Deployed"
    REPAIR = "repair", "In repair"
    RETIRED = "retired", "Retired"
    DISPOSED = "disposed", "Disposed"


class Device(TenantOwned):
    """A machine with an agent. `name` is its host name; the id is what signed documents use."""

    name = models.CharField(max_length=253)
    site = models.UUIDField(null=True)
    state = models.CharField(max_length=12, choices=DeviceState.choices, default=DeviceState.PENDING)
    state_reason = models.CharField(max_length=60, blank=True)
    lifecycle = models.CharField(max_length=10, choices=Lifecycle.choices, default=Lifecycle.DEPLOYED)
    labels = models.JSONField(default=dict)
    watch = models.JSONField(default=list)

    machine_id_hash = models.CharField(max_length=64)
    serial = models.CharField(max_length=120, blank=True)
    board_uuid = models.CharField(max_length=60, blank=True)
    macs = models.JSONField(default=list)
    proposed_match = models.UUIDField(null=True)
    os_id = models.CharField(max_length=40, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    os_name = models.CharField(max_length=120, blank=True)
    internet_facing = models.BooleanField(default=False)
    availability_group = models.CharField(max_length=60, blank=True)

    first_enrolled_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)

    # What the last polls and heartbeats said.
    boot_id = models.CharField(max_length=40, blank=True)
    boot_id_before = models.CharField(max_length=40, blank=True)
    poll_seq = models.BigIntegerField(default=0)
    agent_version = models.CharField(max_length=40, blank=True)
    has_helper = models.BooleanField(default=False)
    facts_hash = models.CharField(max_length=64, blank=True)
    facts_confirmed_at = models.DateTimeField(null=True)
    clock_offset_ms = models.BigIntegerField(null=True)
    spool_bytes = models.BigIntegerField(null=True)
    spool_dropped = models.BigIntegerField(null=True)
    is_frozen = models.BooleanField(default=False)
    diag = models.JSONField(default=list)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "name", "id"], name="estate_device_name"),
            models.Index(fields=["tenant", "last_seen_at"], name="estate_device_seen"),
            models.Index(fields=["tenant", "machine_id_hash"], name="estate_device_machine"),
        ]

    def __str__(self) -> str:
        return self.name


class DeviceKey(TenantOwned):
    """The public half of a device key; the private half has never left the device."""

    class Purpose(models.TextChoices):
        TRANSPORT = "transport"
        EVIDENCE = "evidence"
        WITNESS = "witness"

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="keys")
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    public_key = models.BinaryField(max_length=32)
    key_id = models.CharField(max_length=64)
    valid_from = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    attestation = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "estate_device_key"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key_id"], name="estate_device_key_once"),
            models.UniqueConstraint(
                fields=["tenant", "device", "purpose"], condition=models.Q(revoked_at=None), name="estate_device_key_one_valid"
            ),
        ]
