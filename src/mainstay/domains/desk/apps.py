"""Django's registration of the domain."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "mainstay.domains.desk"
    label = "desk"
    verbose_name = "Help desk"
