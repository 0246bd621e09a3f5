"""The product's settings plus Django's admin, which is the peer of the list: the same table, the same middleware."""

from mainstay.config.settings import *  # noqa: F403 - a superset of the product's settings is the point
from mainstay.config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin"]
ROOT_URLCONF = "bench.admin_urls"
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410", "admin.E411"]
