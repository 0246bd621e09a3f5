"""Prints, as JSON, the address and a one-use code with which the agent of this very machine joins. Run by the supervisor."""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from django.conf import settings

from mainstay.core.access import queries as access
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.estate import services as estate
from mainstay.kernel.clock import SystemClock


def main() -> int:
    """Make the code. It is valid for minutes and for one device, and says nothing once it is used."""
    organisation = access.organisation()
    with tenant_transaction(organisation.id):
        code = estate.local_enrol_code(tenant=organisation.id, clock=SystemClock())
    json.dump({"url": f"http://127.0.0.1:{settings.LAYOUT.port}", "code": code}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
