"""The web process: pages, API and live stream through Django; the agent endpoint beside it.

Agents hold long polls, thousands of them; Django's middleware would give each a thread. So their paths go to an
application of their own, which opens its transactions by itself and verifies every request by the device's key.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

# These need the loaded applications.
from typing import cast

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from django.conf import settings

from mainstay.config import keys
from mainstay.connectors.agent import intake
from mainstay.core.access import renewal
from mainstay.kernel.clock import SystemClock

agents = intake.make_app(keys.read_or_create(settings.LAYOUT.keys / "reply" / "current"), settings.LAYOUT)

if settings.LAYOUT.is_tls_listener:
    renewal.start(settings.LAYOUT.tls, settings.LAYOUT.extra_hosts, SystemClock())


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Hand each connection to the part that serves its path."""
    is_agent = scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"].startswith("/agent/v1/"))
    # Django's own annotations are wider than the protocol's.
    served = agents if is_agent else cast(ASGI3Application, pages)
    await served(scope, receive, send)
