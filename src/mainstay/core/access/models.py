"""Tables of core.access.

Owns: tenant registry, people, assignments, grants, tokens, links, policy sets, data keys.
Invariant: all but the data keys are needed before a tenant is known, so they stand on the short reviewed list of tables
without row-level security (`core.tenancy.wall`) and are reachable from `core` only.
"""

import secrets
from typing import ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from mainstay.core.tenancy.ids import new_id
from mainstay.core.tenancy.models import TenantOwned
from mainstay.kernel.ids import ALPHABET


def new_pseudonym() -> str:
    """Return a random name that may stand in a ledger leaf: nothing of the person can be read from it."""
    return "p:" + "".join(secrets.choice(ALPHABET) for _ in range(16)).lower()


class Tenant(models.Model):
    """A provider, one of its clients, or a site below a client. Never deleted; `number` is never used again."""

    class Kind(models.TextChoices):
        PLATFORM = "platform"
        PROVIDER = "provider"
        CLIENT = "client"
        SITE = "site"

    class Profile(models.TextChoices):
        STANDARD = "standard"
        REGULATED = "regulated"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    number = models.PositiveIntegerField(unique=True)  # stands for the tenant in telemetry
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=40)
    prefix = models.CharField(max_length=6)  # of ticket references, such as HAR-1042
    profile = models.CharField(max_length=9, choices=Profile.choices, default=Profile.STANDARD)
    zone = models.CharField(max_length=60, default="UTC")
    jurisdictions = models.JSONField(default=list)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("parent", "slug", name="access_tenant_slug_once", nulls_distinct=False),
            models.CheckConstraint(condition=Q(prefix__regex=r"^[A-Z]{1,6}$"), name="access_tenant_prefix_form"),
        ]

    def __str__(self) -> str:
        return self.name


class PersonManager(BaseUserManager["Person"]):
    """People are found by the name they sign in with, without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(login=(username or "").casefold())


class Person(AbstractBaseUser):
    """A human being with an account. In evidence only the pseudonym appears."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    home = models.ForeignKey(Tenant, models.PROTECT, related_name="people")
    pseudonym = models.CharField(max_length=24, unique=True, default=new_pseudonym, editable=False)
    login = models.CharField(max_length=150, unique=True)
    name = models.CharField(max_length=200)
    mail = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects: ClassVar[PersonManager] = PersonManager()
    USERNAME_FIELD = "login"
    EMAIL_FIELD = "mail"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("login"), name="access_person_login_once")]

    def __str__(self) -> str:
        return self.name


class Assignment(models.Model):
    """A role of a person (or of a named service) in one tenant, from an instant, perhaps until another."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="assignments")
    service = models.CharField(max_length=40, blank=True)
    role = models.CharField(max_length=40)
    scope = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    from_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    granted_by = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(person__isnull=False) & Q(service="")) | (Q(person__isnull=True) & ~Q(service="")),
                name="access_assignment_one_holder",
            )
        ]
        indexes = [models.Index("person", "scope", name="access_assignment_person")]


class Grant(models.Model):
    """Leave for a person of the provider to act in a client's tenant, with the roles held at the provider."""

    class Kind(models.TextChoices):
        STANDING = "standing"
        JUST_IN_TIME = "just_in_time"
        EMERGENCY = "emergency"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="grants")
    into = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    purpose = models.CharField(max_length=300)
    ticket = models.CharField(max_length=60, blank=True)
    from_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=40, blank=True)
    granted_by = models.CharField(max_length=40)

    class Meta:
        indexes = [models.Index("person", "into", name="access_grant_person")]


class Token(models.Model):
    """A secret for programs. Only the hash of its secret part is kept."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key_id = models.CharField(max_length=10, unique=True)
    secret_sha256 = models.BinaryField(max_length=32)
    owner = models.ForeignKey(Person, models.PROTECT, null=True, related_name="tokens")
    service = models.CharField(max_length=40, blank=True)  # instead of an owner: the local command line
    home = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    label = models.CharField(max_length=100)
    actions = models.JSONField(null=True)  # list of action names, or null: all that the owner has now
    tenants = models.JSONField(null=True)  # list of tenant ids, or null: all that the owner reaches now
    networks = models.JSONField(null=True)  # list of CIDR texts, or null: any
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class OneTimeLink(models.Model):
    """A link that signs in once. Only the hash of its secret is kept."""

    class Purpose(models.TextChoices):
        FIRST_OWNER = "first_owner"
        SIGN_IN = "sign_in"
        INVITE = "invite"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    secret_sha256 = models.BinaryField(max_length=32, unique=True)
    home = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class PolicySet(models.Model):
    """A version of the policy text that was in force, so that an old decision can be explained."""

    class State(models.TextChoices):
        DRAFT = "draft"
        SHADOW = "shadow"
        LIVE = "live"
        RETIRED = "retired"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.CharField(max_length=16, unique=True)  # first 16 hex digits of SHA-256 over schema and policies
    text = models.TextField()
    schema_text = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices)
    approvers = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "access_policy_set"
        constraints = [
            models.UniqueConstraint("state", condition=Q(state="live"), name="access_policy_set_one_live"),
        ]


class DataKey(TenantOwned):
    """A tenant's key for fields, wrapped by the installation's key-encryption key."""

    class State(models.TextChoices):
        ACTIVE = "active"
        DECRYPT_ONLY = "decrypt_only"
        DESTROYED = "destroyed"

    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    kek_id = models.CharField(max_length=16)
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    uses = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "access_data_key"
        constraints = [
            models.UniqueConstraint("tenant", "version", name="access_data_key_version_once"),
            models.UniqueConstraint("tenant", condition=Q(state="active"), name="access_data_key_one_active"),
        ]


class SharedValue(models.Model):
    """Something about sign-ins that every process must remember for a while (`shared_cache`); precedes every tenant."""

    key = models.CharField(max_length=64, primary_key=True)
    value = models.TextField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "access_shared_value"
        indexes = [models.Index(fields=["expires_at"], name="access_shared_value_expiry")]
