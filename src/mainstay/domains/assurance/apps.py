"""Django's registration of the domain."""

from django.apps import AppConfig


class AssuranceConfig(AppConfig):
    name = "mainstay.domains.assurance"
    label = "assurance"
    verbose_name = "Assurance"
