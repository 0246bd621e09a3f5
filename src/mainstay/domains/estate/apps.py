"""The Django application of the estate."""

from django.apps import AppConfig


class EstateConfig(AppConfig):
    name = "mainstay.domains.estate"
    label = "estate"
