"""Prints a fresh one-time link that signs its bearer in on this machine. Run by `mainstay up` and `mainstay link`."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from django.conf import settings

from mainstay.core.access.bootstrap import make_link
from mainstay.kernel.clock import SystemClock


def main() -> int:
    """Make the link; its secret is stored as a hash, so it can be shown only now."""
    sys.stdout.write(make_link(SystemClock(), settings.LAYOUT.url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
