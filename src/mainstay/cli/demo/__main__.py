"""`python -m mainstay.cli.demo`: the demonstration's own `up`."""

from mainstay.cli.demo.up import main

main()
