"""Django's name for this package."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "mainstay.core.jobs"
    label = "jobs"
    verbose_name = "Jobs"
