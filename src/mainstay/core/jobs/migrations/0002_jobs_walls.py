"""Row security for what jobs keep per tenant, and the runtime role's rights on the queue.

The queue's own tables stand on the reviewed list of tables without row-level security: they are read before the tenant
is known, and hold task names, tenants and ids only.
"""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity

TABLES = ("jobs_event", "jobs_delivery", "jobs_schedule", "jobs_schedule_fire")

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs_event, jobs_delivery, jobs_schedule, jobs_schedule_fire TO mainstay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers,
    procrastinate_workers TO mainstay_app;
GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq, procrastinate_periodic_defers_id_seq TO mainstay_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_jobs_tables"),
        ("ledger", "0002_ledger_walls"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        RowSecurity(*TABLES),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
