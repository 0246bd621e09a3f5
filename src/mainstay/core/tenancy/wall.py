"""The start-up check: is the wall between tenants standing?

Owns: the questions to PostgreSQL's catalogue, and the reviewed list of tables without row-level security.
Invariant: a process that serves or works refuses to start while one of the answers is bad.
Source: security page, section 2 rules 7 and 10.
"""

from collections.abc import Mapping

from django.db import connection

# Why a table may stand outside: what must be read before a tenant is known, or what belongs to no tenant at all.
# A table is added here only by review; everything else has a tenant column and a forced policy.
WITHOUT_WALL: Mapping[str, str] = {
    "access_tenant": "the registry of tenants itself",
    "access_person": "accounts: sign-in precedes the tenant",
    "access_assignment": "what an account reaches: read to find its tenants",
    "access_grant": "what an account reaches: read to find its tenants",
    "access_token": "hashes of tokens: a request is nobody's until one matches",
    "access_onetimelink": "hashes of one-time links: likewise",
    "access_shared_value": "used one-time codes and counts of sign-ins, as hashes: sign-in precedes the tenant",
    "access_policy_set": "policy texts are those of the installation",
    "account_emailaddress": "accounts (allauth)",
    "account_emailconfirmation": "accounts (allauth)",
    "estate_refusal": "counts of refused agent requests, most of which have no tenant",
    "estate_route": "which tenant a device key or an enrolment code belongs to: read to find it",
    "telemetry_intake_health": "how the spools of the installation's processes do",
    "telemetry_rollup": "how far rollups are computed, for all tenants at once",
    "telemetry_rollup_dirty": "which hours are to be computed again, for all tenants at once",
    "telemetry_schema": "versions of the engine's tables",
    "automation_signerkey": "public halves of the installation's own keys",
    "mfa_authenticator": "factors of accounts (allauth)",
    "usersessions_usersession": "sign-in sessions (allauth)",
    "django_session": "sign-in sessions",
    "django_migrations": "schema versions",
    "django_content_type": "names of models",
    "auth_group": "Django's own groups, unused",
    "auth_group_permissions": "Django's own groups, unused",
    "auth_permission": "Django's own permissions, unused",
    "procrastinate_jobs": "the job queue: payloads carry a tenant and ids",
    "procrastinate_events": "the job queue",
    "procrastinate_periodic_defers": "the job queue",
    "procrastinate_workers": "the job queue",
}

# Views and functions that read tenant data with more rights than their caller; reviewed like the list above.
REVIEWED_FUNCTIONS: Mapping[str, str] = {}
REVIEWED_MATERIALISED: Mapping[str, str] = {}

_ROLE = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls FROM pg_roles r
WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER')
"""
_OWNED = """
SELECT c.relname, o.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND c.relkind IN ('r', 'p', 'v', 'm')
  AND pg_has_role(current_user, c.relowner, 'MEMBER')
ORDER BY 1
"""
_TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid),
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1
"""
_VIEWS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT COALESCE(c.reloptions @> ARRAY['security_invoker=true'] OR c.reloptions @> ARRAY['security_invoker=on'], false)
ORDER BY 1
"""
_MATERIALISED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
_FUNCTIONS = """
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
_TRUNCATE = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND has_table_privilege(current_user, c.oid, 'TRUNCATE') ORDER BY 1
"""


class NotIsolated(Exception):
    """The database does not hold tenants apart. Carries one sentence per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("refusing to start, because tenants would not be isolated:\n  " + "\n  ".join(faults))
        self.faults = faults


def assert_isolated() -> None:
    """Refuse to go on while the wall has a hole. Errors: NotIsolated."""
    faults = findings()
    if faults:
        raise NotIsolated(faults)


def findings() -> list[str]:
    """Return every fault as a sentence with its remedy; an empty list when the wall stands."""
    return [*_role_faults(), *_table_faults(), *_view_faults()]


def _role_faults() -> list[str]:
    faults = [
        f"The runtime role is or may become {name}, which {'is superuser' if is_super else 'bypasses row-level security'}: "
        f"connect as mainstay_app, or REVOKE {name} FROM it."
        for name, is_super, _ in _rows(_ROLE)
    ]
    owned = _rows(_OWNED)
    if owned:
        names = ", ".join(str(name) for name, _ in owned[:5])
        faults.append(f"The runtime role owns tables ({names}): run migrations as mainstay_owner and give them to it.")
    return faults


def _table_faults() -> list[str]:
    faults = []
    for name, is_on, is_forced, has_policy, has_tenant in _rows(_TABLES):
        if has_tenant and not (is_on and is_forced and has_policy):
            faults.append(f"Table {name} has a tenant column but no forced row-level security: add RowSecurity to its migration.")
        elif not has_tenant and not has_policy and name not in WITHOUT_WALL:
            faults.append(f"Table {name} has no tenant column and is not on the reviewed list (core/tenancy/wall.py).")
    faults += [f"The runtime role may TRUNCATE {name}, which ignores row-level security." for (name,) in _rows(_TRUNCATE)]
    return faults


def _view_faults() -> list[str]:
    return [
        *(f"View {name} reads with its owner's rights: create it WITH (security_invoker = true)." for (name,) in _rows(_VIEWS)),
        *(f"Materialised view {name} is not reviewed." for (name,) in _rows(_MATERIALISED) if name not in REVIEWED_MATERIALISED),
        *(f"Function {name} is SECURITY DEFINER and not reviewed." for (name,) in _rows(_FUNCTIONS) if name not in REVIEWED_FUNCTIONS),
    ]


def _rows(query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[object, ...]] = cursor.fetchall()
    return rows
