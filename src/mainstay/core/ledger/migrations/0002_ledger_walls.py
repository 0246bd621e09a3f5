"""The database's own refusals: who may write what, which rows a role sees, and what nobody may change.

Source: security page, section 1 rule 14 and section 2 rules 7 to 11.
"""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity

TENANT_TABLES = (
    "ledger_log",
    "ledger_entry",
    "ledger_pending",
    "ledger_body",
    "ledger_leaf",
    "ledger_tile",
    "ledger_checkpoint",
    "ledger_cosignature",
    "ledger_witness",
)

GRANTS = """
REVOKE ALL ON ledger_log, ledger_entry, ledger_pending, ledger_body, ledger_leaf, ledger_tile, ledger_checkpoint,
    ledger_cosignature, ledger_witness FROM PUBLIC, mainstay_app, mainstay_ledger;
GRANT SELECT ON ledger_log, ledger_leaf, ledger_tile, ledger_checkpoint TO mainstay_app;
GRANT SELECT, INSERT ON ledger_entry, ledger_pending, ledger_body, ledger_cosignature TO mainstay_app;
GRANT SELECT, INSERT, UPDATE ON ledger_witness TO mainstay_app;
GRANT USAGE ON SEQUENCE ledger_entry_id_seq, ledger_cosignature_id_seq, ledger_witness_id_seq TO mainstay_app;
REVOKE ALL ON SEQUENCE ledger_log_id_seq FROM mainstay_app;

GRANT USAGE ON SCHEMA public TO mainstay_ledger;
GRANT SELECT, INSERT ON ledger_log, ledger_leaf, ledger_tile, ledger_checkpoint TO mainstay_ledger;
GRANT UPDATE (state, state_reason) ON ledger_log TO mainstay_ledger;
GRANT UPDATE (note, signed_at) ON ledger_checkpoint TO mainstay_ledger;
GRANT SELECT ON ledger_entry TO mainstay_ledger;
GRANT SELECT, DELETE ON ledger_pending TO mainstay_ledger;
GRANT USAGE ON SEQUENCE ledger_log_id_seq TO mainstay_ledger;
"""

# The sequencer must find work without knowing the tenants. It sees the queue, the logs and the checkpoints of all of
# them, which hold ids and hashes; entries it reads only for the tenant to which its transaction is bound.
SEQUENCER_POLICIES = """
CREATE POLICY sequencer_queue ON ledger_pending FOR SELECT TO mainstay_ledger USING (true);
CREATE POLICY sequencer_logs ON ledger_log FOR SELECT TO mainstay_ledger USING (true);
CREATE POLICY sequencer_checkpoints ON ledger_checkpoint FOR SELECT TO mainstay_ledger USING (true);
"""
DROP_SEQUENCER_POLICIES = """
DROP POLICY sequencer_queue ON ledger_pending;
DROP POLICY sequencer_logs ON ledger_log;
DROP POLICY sequencer_checkpoints ON ledger_checkpoint;
"""

# A checkpoint may gain its signature once; its size and root never change, and it is never removed.
CHECKPOINT_GUARD = """
CREATE FUNCTION ledger_checkpoint_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.note IS NULL AND NEW.note IS NOT NULL
        AND (NEW.tenant, NEW.log_id, NEW.size, NEW.root, NEW.frontier, NEW.created_at)
          = (OLD.tenant, OLD.log_id, OLD.size, OLD.root, OLD.frontier, OLD.created_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a checkpoint is signed once and never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON ledger_checkpoint FOR EACH ROW EXECUTE FUNCTION ledger_checkpoint_guard();
CREATE TRIGGER guard_all BEFORE TRUNCATE ON ledger_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION ledger_checkpoint_guard();
"""
DROP_CHECKPOINT_GUARD = """
DROP TRIGGER guard ON ledger_checkpoint;
DROP TRIGGER guard_all ON ledger_checkpoint;
DROP FUNCTION ledger_checkpoint_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_ledger_tables")]

    operations = [
        RowSecurity(*TENANT_TABLES, insert_only=("ledger_entry", "ledger_leaf", "ledger_tile", "ledger_cosignature")),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
        migrations.RunSQL(SEQUENCER_POLICIES, DROP_SEQUENCER_POLICIES),
        migrations.RunSQL(CHECKPOINT_GUARD, DROP_CHECKPOINT_GUARD),
    ]
