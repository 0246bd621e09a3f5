"""The migration operation that puts a table behind row-level security.

Source: security page, section 2 rules 7, 9 and 11. NULLIF matters: after a transaction-local setting ends, a pooled
connection reports an empty string, not NULL, and a bare cast raises an error.
"""

from collections.abc import Sequence
from typing import Any  # Django's operation signatures are untyped

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation

_TENANT = "tenant = (SELECT NULLIF(current_setting('app.tenant', true), '')::uuid)"
_SCOPE = (
    "tenant = ANY (ARRAY(SELECT unnest(string_to_array(NULLIF(current_setting('app.scope', true), ''), ','))::uuid"
    " WHERE current_setting('transaction_read_only') = 'on'))"
)


class RowSecurity(Operation):
    """Enable and force row-level security on tables that have a `tenant` column.

    Reading honours `app.scope` (a list of tenants) only in a read-only transaction; writing goes to `app.tenant` alone.
    `insert_only` tables also refuse UPDATE, DELETE and TRUNCATE to everybody, by trigger.
    Foreign keys to other tenant tables come to include the tenant.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, *tables: str, insert_only: Sequence[str] = ()) -> None:
        self.tables = tables
        self.insert_only = tuple(insert_only)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, list(self.tables), {"insert_only": self.insert_only}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Row security changes no field."""

    def database_forwards(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any) -> None:
        for table in self.tables:
            schema_editor.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
            schema_editor.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
            schema_editor.execute(f'CREATE POLICY tenant_wall ON "{table}" USING ({_TENANT} OR {_SCOPE}) WITH CHECK ({_TENANT})')
            schema_editor.execute(f'REVOKE TRUNCATE ON "{table}" FROM mainstay_app')
            # Django writes foreign keys at the end of the migration, so they can be replaced only behind them.
            schema_editor.deferred_sql.append(_within_tenant(table))
        for table in self.insert_only:
            schema_editor.execute(_REFUSE_FUNCTION, params=None)
            schema_editor.execute(
                f'CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON "{table}" FOR EACH ROW EXECUTE FUNCTION mainstay_refuse_change()'
            )
            schema_editor.execute(
                f'CREATE TRIGGER insert_only_all BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT EXECUTE FUNCTION mainstay_refuse_change()'
            )
            schema_editor.execute(f'REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM mainstay_app')

    def database_backwards(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any) -> None:
        for table in self.insert_only:
            schema_editor.execute(f'DROP TRIGGER insert_only ON "{table}"')
            schema_editor.execute(f'DROP TRIGGER insert_only_all ON "{table}"')
        for table in self.tables:
            schema_editor.execute(f'DROP POLICY tenant_wall ON "{table}"')
            schema_editor.execute(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
            schema_editor.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')

    def describe(self) -> str:
        return f"Force row-level security on {', '.join(self.tables)}"


_REFUSE_FUNCTION = """
CREATE OR REPLACE FUNCTION mainstay_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are written once and never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""

# PostgreSQL checks a foreign key with the rights of the table's owner and past row-level security. A plain key would accept
# the id of another tenant's row and refuse one that does not exist, and so tell them apart. With the tenant in the key both
# are refused alike.
_WITHIN_TENANT = """
DO $do$
DECLARE key record; once text;
BEGIN
    FOR key IN
        SELECT c.conname, c.confrelid::regclass AS target, a.attname AS source_column, b.attname AS target_column
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
        WHERE c.contype = 'f' AND c.conrelid = '"{table}"'::regclass AND cardinality(c.conkey) = 1
          AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.confrelid AND t.attname = 'tenant' AND NOT t.attisdropped)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_class WHERE relname = left(key.target::text, 48) || '_in_tenant') THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %s (%I, tenant)',
                left(key.target::text, 48) || '_in_tenant', key.target, key.target_column);
        END IF;
        EXECUTE format('ALTER TABLE "{table}" DROP CONSTRAINT %I', key.conname);
        EXECUTE format('ALTER TABLE "{table}" ADD CONSTRAINT %I FOREIGN KEY (%I, tenant) REFERENCES %s (%I, tenant)'
            ' DEFERRABLE INITIALLY DEFERRED', key.conname, key.source_column, key.target, key.target_column);
        -- A one-to-one field is unique by itself, which would tell the same by another error.
        FOR once IN
            SELECT u.conname FROM pg_constraint u JOIN pg_attribute a ON a.attrelid = u.conrelid AND a.attnum = u.conkey[1]
            WHERE u.contype = 'u' AND u.conrelid = '"{table}"'::regclass AND cardinality(u.conkey) = 1 AND a.attname = key.source_column
        LOOP
            EXECUTE format('ALTER TABLE "{table}" DROP CONSTRAINT %I', once);
            EXECUTE format('ALTER TABLE "{table}" ADD CONSTRAINT %I UNIQUE (%I, tenant)', once, key.source_column);
        END LOOP;
    END LOOP;
END $do$
"""


def _within_tenant(table: str) -> str:
    return _WITHIN_TENANT.replace("{table}", table)
