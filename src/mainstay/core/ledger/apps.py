"""Django's name for this package."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "mainstay.core.ledger"
    label = "ledger"
    verbose_name = "Ledger"
