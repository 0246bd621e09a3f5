"""Offline-signed documents, and the public halves of the server's own keys."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class TrustDocument(TenantOwned):
    """A root or policy as it was signed. The server stores and hands out; it can make none."""

    kind = models.CharField(max_length=20)
    version = models.BigIntegerField()
    payload_sha256 = models.CharField(max_length=64)
    envelope = models.JSONField()
    expires_at = models.DateTimeField()
    is_reduced = models.BooleanField()
    adopted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "version"], name="automation_trust_document_version"),
            models.UniqueConstraint(fields=["tenant", "payload_sha256"], name="automation_trust_document_payload"),
        ]


class TrustOrder(TenantOwned):
    """An order that people signed offline: `unfreeze` or `succession`. A succession does not expire."""

    kind = models.CharField(max_length=20)
    payload_sha256 = models.CharField(max_length=64)
    envelope = models.JSONField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    adopted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "payload_sha256"], name="automation_trust_order_payload")]
        indexes = [models.Index(fields=["tenant", "-issued_at", "id"], name="automation_trust_order_recent")]


class SignerKey(models.Model):
    """The public half of a key that one of the server's processes holds. Belongs to the installation, so it has no tenant."""

    purpose = models.CharField(max_length=20)
    public_key = models.CharField(max_length=64)
    registered_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["purpose", "public_key"], name="automation_signer_key")]
