"""How a device comes in: codes, the way from a key to its tenant, and what intake refused.

Invariant: of a code only what its proofs need is kept; the code itself is shown once.
"""

from django.db import models

from mainstay.core.tenancy.ids import new_id
from mainstay.core.tenancy.models import TenantOwned


class EnrolToken(TenantOwned):
    """An enrolment code. `proof_key` is K of rule N2: HKDF of the secret, enough to check a proof, wiped with the code."""

    code_id = models.CharField(max_length=4)
    proof_key = models.BinaryField(max_length=32, null=True)
    site = models.UUIDField(null=True)
    labels = models.JSONField(default=dict)
    uses_left = models.PositiveIntegerField(default=1)
    needs_approval = models.BooleanField(default=False)
    wrong_attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "estate_enrol_token"
        indexes = [models.Index(fields=["tenant", "code_id"], name="estate_enrol_token_code")]


class Route(models.Model):
    """From the id that a request names to the tenant that can judge it.

    Read before a tenant is known, therefore without row-level security (reviewed list). It holds two ids and a hash, no
    secret and nothing of a person; a foreign tenant's rows say only that some key exists.
    """

    class Kind(models.TextChoices):
        KEY = "key"
        CODE = "code"

    id: "models.UUIDField[object, object]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=4, choices=Kind.choices)
    handle = models.CharField(max_length=64)
    home = models.UUIDField()
    device = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "handle"], name="estate_route_once")]


class Refusal(models.Model):
    """How often agent requests were refused, by code and hour: what `doctor` and the alert on bad input read.

    A request that is refused before its tenant is known has none, therefore the table has none either; it counts, and
    keeps the first device id of the hour where one was proven.
    """

    id: "models.UUIDField[object, object]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=40)
    hour = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)
    first_device = models.UUIDField(null=True)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "hour"], name="estate_refusal_once")]
