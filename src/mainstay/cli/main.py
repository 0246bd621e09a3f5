"""`mainstay`: one command line. Everyday lists and acts go through the API; a few commands act on this machine."""

import sys

import typer

from mainstay.cli import audit, backup, configuration, demo, doctor, growth, lists, operations, processes, sla, trust
from mainstay.cli.problems import exit_with

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__)
processes.register(app)
doctor.register(app)
lists.register(app)
growth.register(app)
operations.register(app)
trust.register(app)
audit.register(app)
sla.register(app)
backup.register(app)
configuration.register(app)
demo.register(app)


def main() -> None:
    """Run the command line; every problem of ours ends in its sentence and its exit code, never in a traceback."""
    with exit_with(sys.stderr):
        app()
