"""Row-level security, events that are written once, and bindings that never overlap.

The bundled PostgreSQL has no btree_gist, so the equal columns of the exclusion constraint are written as one-element ranges.
"""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity

TABLES = (
    "desk_ticketnumber",
    "desk_ticket",
    "desk_ticketevent",
    "desk_incidentrecord",
    "desk_incidentalert",
    "desk_calendar",
    "desk_calendarversion",
    "desk_slapolicy",
    "desk_slapolicyversion",
    "desk_slatarget",
    "desk_policybinding",
    "desk_slaclock",
    "desk_slanotice",
    "desk_breach",
)


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_tickets_clocks_and_breaches")]

    operations = [
        RowSecurity(*TABLES, insert_only=["desk_ticketevent"]),
        migrations.RunSQL(
            """
            CREATE TYPE desk_uuid_range AS RANGE (subtype = uuid);
            ALTER TABLE desk_policybinding ADD CONSTRAINT desk_binding_one_at_a_time EXCLUDE USING gist (
                desk_uuid_range(tenant, tenant, '[]') WITH &&,
                int4range(level, level, '[]') WITH &&,
                tstzrange(valid_from, valid_to) WITH &&
            );
            """,
            """
            ALTER TABLE desk_policybinding DROP CONSTRAINT desk_binding_one_at_a_time;
            DROP TYPE desk_uuid_range;
            """,
        ),
    ]
