"""Every tenant table of this domain behind row-level security."""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    dependencies = [("estate", "0001_devices_and_facts")]

    operations = [
        RowSecurity(
            "estate_device",
            "estate_device_key",
            "estate_enrol_token",
            "estate_fact",
            "estate_fact_change",
            "estate_package",
            "estate_package_history",
            "estate_unit_state",
        ),
    ]
