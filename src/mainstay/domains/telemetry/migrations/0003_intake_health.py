"""How the spools of the installation do: one row for each, without a tenant."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0002_tenant_walls"),
    ]

    operations = [
        migrations.CreateModel(
            name="IntakeHealth",
            fields=[
                ("spool", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("fill_pct", models.FloatField()),
                ("waiting_rows", models.BigIntegerField()),
                ("away_since", models.DateTimeField(null=True)),
                ("away_reason", models.CharField(blank=True, max_length=300)),
                ("quarantined", models.PositiveIntegerField()),
                ("quarantine_reason", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "db_table": "telemetry_intake_health",
            },
        ),
    ]
