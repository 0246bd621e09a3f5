"""Tables of the ledger. Only this package touches them.

Owns: columns and keys; the migration adds the database's own refusals (roles, row security, triggers).
References are plain numbers and not foreign keys: a foreign key looks past row-level security, and the
sequencer is the only writer of everything that refers to something.
"""

from uuid import UUID

from django.db import models


class _Tenanted(models.Model):
    """A row of one tenant. Ids here are not UUIDs: entries are numbered by a sequence, the rest by log and position."""

    tenant: "models.UUIDField[UUID, UUID]" = models.UUIDField(editable=False)

    class Meta:
        abstract = True


class Log(_Tenanted):
    """One log of a tenant. A new epoch follows only upon a succession; the platform log has the tenant of all zeros."""

    class State(models.TextChoices):
        OPEN = "open"
        READ_ONLY = "read_only"
        CLOSED = "closed"

    id = models.BigAutoField(primary_key=True)
    epoch = models.IntegerField()
    origin = models.TextField(unique=True)
    vkey = models.TextField()
    state = models.TextField(choices=State.choices, default=State.OPEN)
    state_reason = models.TextField(default="", blank=True)
    previous_origin = models.TextField(default="", blank=True)
    opened_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_log"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "epoch"], name="ledger_log_epoch"),
            models.UniqueConstraint(fields=["tenant"], condition=~models.Q(state="closed"), name="ledger_log_one_live"),
        ]


class Entry(_Tenanted):
    """What happened, written in the transaction of the change itself. Its leaf follows within a second."""

    id = models.BigAutoField(primary_key=True)
    act = models.TextField()
    actor = models.TextField()
    at = models.DateTimeField()
    obj = models.TextField()
    out = models.TextField()
    via = models.TextField()
    extra = models.JSONField(null=True)
    body = models.TextField(default="", blank=True)

    class Meta:
        db_table = "ledger_entry"
        indexes = [
            models.Index(fields=["tenant", "id"], name="ledger_entry_order"),
            models.Index(fields=["tenant", "obj", "id"], name="ledger_entry_obj"),
        ]


class Pending(_Tenanted):
    """The queue of the sequencer: entries that have no leaf yet. Ids only."""

    entry_id = models.BigIntegerField(primary_key=True)

    class Meta:
        db_table = "ledger_pending"
        indexes = [models.Index(fields=["tenant", "entry_id"], name="ledger_pending_order")]


class Body(_Tenanted):
    """The sealed body of an entry, or (`part` not empty) a member of it that can be erased alone."""

    class State(models.TextChoices):
        PRESENT = "present"
        ERASED = "erased"
        EXPIRED = "expired"

    pk = models.CompositePrimaryKey("entry_id", "part")
    entry_id = models.BigIntegerField()
    part = models.TextField(default="", blank=True)
    commitment = models.TextField()
    salt = models.BinaryField(null=True)
    sealed = models.BinaryField(null=True)
    retention = models.TextField(default="standard")
    state = models.TextField(choices=State.choices, default=State.PRESENT)
    covering_seq = models.BigIntegerField(null=True)

    class Meta:
        db_table = "ledger_body"


class Leaf(_Tenanted):
    """The bytes that the tree hashes, at their place in the log."""

    pk = models.CompositePrimaryKey("log_id", "seq")
    log_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    entry_id = models.BigIntegerField(unique=True)
    leaf = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        db_table = "ledger_leaf"


class Tile(_Tenanted):
    """A full tile of 256 hashes and the root over them; the right edge, still growing, is computed from these and the leaves."""

    pk = models.CompositePrimaryKey("log_id", "level", "n")
    log_id = models.BigIntegerField()
    level = models.SmallIntegerField()
    n = models.BigIntegerField()
    hashes = models.BinaryField()
    root = models.BinaryField()

    class Meta:
        db_table = "ledger_tile"


class Checkpoint(_Tenanted):
    """Size and root that one transaction of the sequencer reached; `note` is empty until it is signed."""

    pk = models.CompositePrimaryKey("log_id", "size")
    log_id = models.BigIntegerField()
    size = models.BigIntegerField()
    root = models.BinaryField()
    frontier = models.BinaryField()
    note = models.TextField(null=True)
    created_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_checkpoint"
        indexes = [models.Index(fields=["tenant"], condition=models.Q(note__isnull=True), name="ledger_checkpoint_unsigned")]


class Cosignature(_Tenanted):
    """A witness's timestamped signature over one checkpoint."""

    id = models.BigAutoField(primary_key=True)
    log_id = models.BigIntegerField()
    size = models.BigIntegerField()
    witness = models.TextField()
    line = models.TextField()
    cosigned_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_cosignature"
        constraints = [models.UniqueConstraint(fields=["tenant", "log_id", "size", "witness"], name="ledger_cosignature_once")]


class Witness(_Tenanted):
    """A party that cosigns checkpoints of the tenant's log, and the last size it has seen."""

    class Kind(models.TextChoices):
        AGENT = "agent"
        SERVER = "server"
        PUBLIC = "public"

    id = models.BigAutoField(primary_key=True)
    vkey = models.TextField()
    kind = models.TextField(choices=Kind.choices)
    operator = models.TextField(default="", blank=True)
    cosigned_size = models.BigIntegerField(default=0)
    cosigned_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_witness"
        constraints = [models.UniqueConstraint(fields=["tenant", "vkey"], name="ledger_witness_once")]


class SelfCheck(_Tenanted):
    """The last complete self-check of a log; `fault` is empty when everything agreed."""

    log_id = models.BigIntegerField(primary_key=True)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    size = models.BigIntegerField()
    leaves = models.BigIntegerField()
    bodies = models.BigIntegerField()
    fault = models.TextField(default="", blank=True)

    class Meta:
        db_table = "ledger_selfcheck"
