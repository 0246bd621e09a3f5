"""The worker process: jobs, rule evaluation, runs, clocks, and the ledger's sequencer."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from django.conf import settings
from nacl.signing import SigningKey

from mainstay.config import keys, wiring
from mainstay.core.jobs import worker
from mainstay.core.tenancy.wall import assert_isolated
from mainstay.domains.automation import services as automation
from mainstay.kernel.clock import SystemClock


def main() -> int:
    """Refuse to start without the wall between tenants; announce the command key; run until told to stop."""
    assert_isolated()
    command_key = SigningKey(keys.read_or_create(settings.LAYOUT.keys / "server" / "current"))
    automation.register_signer(purpose="server", public_key=bytes(command_key.verify_key), clock=SystemClock())
    return worker.run(wiring.loops())


if __name__ == "__main__":
    sys.exit(main())
