"""What the hourly self-check of each log found. Only the ledger's own role writes it; everybody reads what their scope holds."""

from django.db import migrations, models

from mainstay.core.tenancy.migrations_ops import RowSecurity

GRANTS = """
REVOKE ALL ON ledger_selfcheck FROM PUBLIC, mainstay_app, mainstay_ledger;
GRANT SELECT ON ledger_selfcheck TO mainstay_app;
GRANT SELECT, INSERT, UPDATE ON ledger_selfcheck TO mainstay_ledger;
CREATE POLICY sequencer_selfchecks ON ledger_selfcheck FOR SELECT TO mainstay_ledger USING (true);
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_ledger_walls")]

    operations = [
        migrations.CreateModel(
            name="SelfCheck",
            fields=[
                ("tenant", models.UUIDField(editable=False)),
                ("log_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("begun_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("size", models.BigIntegerField()),
                ("leaves", models.BigIntegerField()),
                ("bodies", models.BigIntegerField()),
                ("fault", models.TextField(blank=True, default="")),
            ],
            options={"db_table": "ledger_selfcheck"},
        ),
        RowSecurity("ledger_selfcheck"),
        migrations.RunSQL(GRANTS, "DROP POLICY sequencer_selfchecks ON ledger_selfcheck"),
    ]
