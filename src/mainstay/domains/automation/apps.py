"""Django's registration of the domain."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "mainstay.domains.automation"
    label = "automation"
