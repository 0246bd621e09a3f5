"""`python -m mainstay.cli`: the same command line, for processes that the supervisor starts."""

from mainstay.cli.main import main

main()
