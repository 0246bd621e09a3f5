"""The last installed application: when it is ready, all parts are loaded and can be plugged together."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "mainstay.config"
    label = "wiring"

    def ready(self) -> None:
        from mainstay.config import wiring  # imports models, which exist only from here on

        wiring.plug()
