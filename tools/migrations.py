"""Fail when a model changed without its migration. Runs on a folder of its own, never on an installation of this machine."""

import os
import sys
import tempfile
import warnings


def main() -> int:
    """Exit 1 and say which migration is missing, 0 when the models and their migrations agree."""
    with tempfile.TemporaryDirectory(prefix="mainstay-migrations-") as folder:
        os.environ["MAINSTAY_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
        import django  # reads the environment that was just set
        from django.core.management import call_command

        django.setup()
        # The history in a database is not asked: the question is about the source alone, and no server runs here.
        warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
        try:
            call_command("makemigrations", "--check", "--dry-run")
        except SystemExit as missing:
            return int(missing.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
