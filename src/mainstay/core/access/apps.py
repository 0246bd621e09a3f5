"""Django's registration of this part."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "mainstay.core.access"
    label = "access"
    default_auto_field = "django.db.models.BigAutoField"
