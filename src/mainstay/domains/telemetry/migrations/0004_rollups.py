"""How far rollups are computed, and which hours are to be computed again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0003_intake_health"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("tier", models.CharField(max_length=2, primary_key=True, serialize=False)),
                ("through_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="RollupDirty",
            fields=[
                ("hour", models.DateTimeField(primary_key=True, serialize=False)),
                ("marked_at", models.DateTimeField()),
            ],
            options={
                "db_table": "telemetry_rollup_dirty",
            },
        ),
    ]
