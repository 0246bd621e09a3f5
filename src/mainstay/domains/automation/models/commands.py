"""Commands to devices, their signed results, and what we know of a device's side of the trust."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Command(TenantOwned):
    """A signed envelope that asks a device for one action. The bytes never change; only the state of its delivery does."""

    device_id = models.UUIDField()
    run = models.ForeignKey("automation.Run", null=True, on_delete=models.PROTECT, related_name="commands")
    action = models.CharField(max_length=60)
    tier = models.CharField(max_length=2)
    params = models.JSONField()
    idem = models.CharField(max_length=200)
    envelope = models.JSONField()
    payload_sha256 = models.CharField(max_length=64)
    not_before_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=20)  # issued, answered, expired
    decision = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    ledger_entry = models.BigIntegerField()
    issued_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "payload_sha256"], name="automation_command_payload")]
        indexes = [
            models.Index(fields=["tenant", "device_id", "state"], name="automation_command_queue"),
            models.Index(fields=["tenant", "-issued_at", "id"], name="automation_command_recent"),
        ]


class CommandResult(TenantOwned):
    """One link of a device's chain of signed results: the device's bytes, kept as they came."""

    device_id = models.UUIDField()
    seq = models.BigIntegerField()
    prev = models.CharField(max_length=64)
    payload_sha256 = models.CharField(max_length=64)
    command_id = models.UUIDField(null=True)
    decision = models.CharField(max_length=20)
    reason = models.CharField(max_length=60, blank=True)
    envelope = models.JSONField()
    output = models.TextField(blank=True)
    output_salt = models.CharField(max_length=64, blank=True)
    has_gap_before = models.BooleanField(default=False)
    ledger_entry = models.BigIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "device_id", "seq"], name="automation_result_seq")]
        indexes = [models.Index(fields=["tenant", "-received_at", "id"], name="automation_result_recent")]


class DeviceTrust(TenantOwned):
    """What a device last said of its own authority: helper, documents held, chain head, freeze, checkpoint."""

    device_id = models.UUIDField()
    has_helper = models.BooleanField(default=False)
    root_version = models.BigIntegerField(null=True)
    policy_epoch = models.BigIntegerField(null=True)
    chain_seq = models.BigIntegerField(null=True)
    chain_hash = models.CharField(max_length=64, blank=True)
    is_frozen = models.BooleanField(default=False)
    ckpt_size = models.BigIntegerField(default=0)
    alarm = models.CharField(max_length=60, blank=True)
    said_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "device_id"], name="automation_device_trust_device")]
