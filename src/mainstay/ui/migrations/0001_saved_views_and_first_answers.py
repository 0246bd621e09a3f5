"""Saved views and the first answers of idempotent requests, both behind row-level security."""

from django.db import migrations, models

import mainstay.core.tenancy.ids
from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.UUIDField(default=mainstay.core.tenancy.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tenant", models.UUIDField(editable=False)),
                ("list", models.CharField(max_length=80)),
                ("name", models.CharField(max_length=80)),
                ("owner", models.UUIDField()),
                ("visibility", models.CharField(choices=[("me", "only me"), ("all", "everybody here")], default="me", max_length=4)),
                ("is_default", models.BooleanField(default=False)),
                ("query", models.TextField(max_length=4000)),
                ("created_at", models.DateTimeField()),
            ],
            options={"db_table": "ui_saved_view"},
        ),
        migrations.CreateModel(
            name="FirstAnswer",
            fields=[
                ("id", models.UUIDField(default=mainstay.core.tenancy.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tenant", models.UUIDField(editable=False)),
                ("actor", models.CharField(max_length=80)),
                ("key", models.CharField(max_length=80)),
                ("request_sha256", models.BinaryField(max_length=32)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.BinaryField(default=b"")),
                ("created_at", models.DateTimeField()),
            ],
            options={"db_table": "ui_first_answer"},
        ),
        migrations.AddConstraint(
            "savedview", models.UniqueConstraint(fields=["tenant", "list", "owner", "name"], name="ui_saved_view_name_once")
        ),
        migrations.AddConstraint(
            "savedview",
            models.UniqueConstraint(
                fields=["tenant", "list", "owner"], condition=models.Q(("is_default", True)), name="ui_saved_view_one_default"
            ),
        ),
        migrations.AddConstraint(
            "firstanswer", models.UniqueConstraint(fields=["tenant", "actor", "key"], name="ui_first_answer_key_once")
        ),
        migrations.AddIndex("firstanswer", models.Index(fields=["created_at"], name="ui_first_answer_age")),
        RowSecurity("ui_saved_view", "ui_first_answer"),
    ]
