"""Every tenant table of this domain behind row-level security."""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_streams_and_series")]

    operations = [
        RowSecurity(
            "telemetry_stream_mark",
            "telemetry_series",
            "telemetry_series_dict",
            "telemetry_loss",
        ),
    ]
