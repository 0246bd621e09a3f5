from django.db import migrations, models

import mainstay.core.tenancy.ids
from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    dependencies = [("automation", "0001_runs_commands_and_trust")]

    operations = [
        migrations.CreateModel(
            name="TrustOrder",
            fields=[
                ("id", models.UUIDField(default=mainstay.core.tenancy.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tenant", models.UUIDField(editable=False)),
                ("kind", models.CharField(max_length=20)),
                ("payload_sha256", models.CharField(max_length=64)),
                ("envelope", models.JSONField()),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("adopted_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["tenant", "-issued_at", "id"], name="automation_trust_order_recent")],
                "constraints": [models.UniqueConstraint(fields=("tenant", "payload_sha256"), name="automation_trust_order_payload")],
            },
        ),
        RowSecurity("automation_trustorder", insert_only=("automation_trustorder",)),
    ]
