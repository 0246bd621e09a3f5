"""Tables of the design kit: saved views and the first answers of idempotent requests.

Both are tenant-owned and behind row-level security.
"""

from uuid import UUID

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class SavedView(TenantOwned):
    """A stored list address: a name and a query string."""

    class Visibility(models.TextChoices):
        ME = "me", "only me"
        TEAM = "team", "my team"
        ALL = "all", "everybody here"

    list = models.CharField(max_length=80)
    name = models.CharField(max_length=80)
    owner: "models.UUIDField[UUID, UUID]" = models.UUIDField()  # a person's id
    visibility = models.CharField(max_length=4, choices=Visibility.choices, default=Visibility.ME)
    is_default = models.BooleanField(default=False)  # of its owner, for this list
    # The organisation that the owner works for: whom `team` means, and for whom the view may be the default.
    team: "models.UUIDField[UUID | None, UUID | None]" = models.UUIDField(null=True)
    is_team_default = models.BooleanField(default=False)
    density = models.CharField(max_length=11, blank=True)
    query = models.TextField(max_length=4000)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ui_saved_view"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "list", "owner", "name"], name="ui_saved_view_name_once"),
            models.UniqueConstraint(
                fields=["tenant", "list", "owner"], condition=models.Q(is_default=True), name="ui_saved_view_one_default"
            ),
            models.UniqueConstraint(
                fields=["tenant", "list", "team"], condition=models.Q(is_team_default=True), name="ui_saved_view_one_team_default"
            ),
        ]


class FirstAnswer(TenantOwned):
    """The answer to the first request under an idempotency key, replayed to every repeat for a day."""

    actor = models.CharField(max_length=80)
    key = models.CharField(max_length=80)
    request_sha256 = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ui_first_answer"
        constraints = [models.UniqueConstraint(fields=["tenant", "actor", "key"], name="ui_first_answer_key_once")]
        indexes = [models.Index(fields=["created_at"], name="ui_first_answer_age")]
