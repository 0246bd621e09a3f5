"""Every tenant table of this domain behind row-level security."""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    dependencies = [("alerting", "0001_alerts_and_folds")]

    operations = [
        RowSecurity(
            "alerting_alert",
            "alerting_fold",
            "alerting_transition",
            "alerting_ack",
            "alerting_snooze",
            "alerting_flap_state",
            "alerting_rule_override",
            insert_only=["alerting_transition"],
        ),
    ]
