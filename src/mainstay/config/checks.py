"""Prints, as JSON, the checks of `mainstay doctor` that need the application: jobs, ledger, witnesses. Run by the command line."""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from mainstay.console import health
from mainstay.core.access import queries as access
from mainstay.core.ledger.entries import PLATFORM
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.engines.checks import CHECKS
from mainstay.kernel.actors import Via, system
from mainstay.kernel.clock import SystemClock


def main() -> int:
    """Ask as the organisation that runs the installation; what the machine itself answers was printed by the caller."""
    organisation = access.organisation()
    asked = {check.name for check in CHECKS}
    # Over all tenants, in a transaction that can write nothing: the checks count, and name no more than a tenant's short name.
    everybody = (organisation.id, PLATFORM, *access.tenants())
    with tenant_transaction(organisation.id, readable=everybody, read_only=True):
        lines = health.checks(system("doctor", organisation.id, via=Via.CLI), SystemClock())
    rows = [{"check": one.name, "state": one.state, "cause": one.cause, "fix": one.fix} for one in lines if one.name not in asked]
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
