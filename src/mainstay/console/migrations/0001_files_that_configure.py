"""Which objects files have configured, per tenant behind row-level security."""

from django.db import migrations, models

import mainstay.core.tenancy.ids
from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    initial = True

    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.CreateModel(
            name="Managed",
            fields=[
                ("id", models.UUIDField(default=mainstay.core.tenancy.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tenant", models.UUIDField(editable=False)),
                ("kind", models.CharField(max_length=20)),
                ("key", models.CharField(max_length=500)),
                ("file_set", models.CharField(max_length=60)),
                ("sha256", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "console_managed",
                "constraints": [models.UniqueConstraint(fields=("tenant", "kind", "key"), name="console_managed_once")],
            },
        ),
        RowSecurity("console_managed"),
    ]
