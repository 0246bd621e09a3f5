"""The Django application of alerting."""

from django.apps import AppConfig


class AlertingConfig(AppConfig):
    name = "mainstay.domains.alerting"
    label = "alerting"
