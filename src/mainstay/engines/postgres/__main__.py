"""`python -m mainstay.engines.postgres`: bring the database of this installation into being, or examine the one outside.

A step of the start with a process of its own: the driver that it needs goes when it ends.
"""

import sys

from mainstay.engines.layout import Layout
from mainstay.engines.postgres.examine import require_usable
from mainstay.engines.postgres.roles import make_roles_and_database
from mainstay.engines.postgres.server import MAJOR
from mainstay.kernel.errors import MainstayError


def main() -> None:
    """Print what the database is. Exit code 1 with the sentence of a problem on standard error."""
    layout = Layout.from_environment()
    try:
        if layout.has_embedded_postgres:
            make_roles_and_database(layout)
            sys.stdout.write(f"PostgreSQL {MAJOR}, embedded\n")
        else:
            version = require_usable(layout.database_url("app")).version
            sys.stdout.write(f"PostgreSQL {version // 10000}, external\n")
    except MainstayError as problem:
        sys.exit(problem.message)


main()
