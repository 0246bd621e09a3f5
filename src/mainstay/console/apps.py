from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "mainstay.console"
    label = "console"
