"""The step between migration and the first page: the organisation, the telemetry tables, the reply key. Run as the web user."""

import os
import socket
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from django.conf import settings
from nacl.signing import SigningKey

from mainstay.config import keys
from mainstay.core.access import tls
from mainstay.core.access.bootstrap import bootstrap
from mainstay.core.tenancy.wall import assert_isolated
from mainstay.domains.automation import services as automation
from mainstay.domains.telemetry import queries as telemetry_queries
from mainstay.domains.telemetry import services as telemetry
from mainstay.kernel.clock import SystemClock


def main() -> int:
    """Make what the web process needs and what is there only once; repeating it changes nothing."""
    assert_isolated()
    clock, layout = SystemClock(), settings.LAYOUT
    bootstrap(clock, secrets_dir=layout.secrets, host_name=socket.gethostname())
    reply_key = SigningKey(keys.read_or_create(layout.keys / "reply" / "current"))
    automation.register_signer(purpose="reply", public_key=bytes(reply_key.verify_key), clock=clock)
    if layout.has_lan:
        authority = tls.ensure_authority(layout.tls, names=layout.extra_hosts, clock=clock)
        (layout.tls / "server.spki").write_text(authority.spki_sha256)
    telemetry.apply_schema(telemetry_queries.engine(), clock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
