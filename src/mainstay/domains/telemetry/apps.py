"""The Django application of telemetry."""

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "mainstay.domains.telemetry"
    label = "telemetry"
