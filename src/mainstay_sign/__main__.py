"""Runs the tool as `mainstay-sign` and as `python -m mainstay_sign`."""

import sys
import time

from mainstay_sign.cli import run


def main() -> int:
    return run(sys.argv[1:], now=lambda: int(time.time()))


if __name__ == "__main__":
    sys.exit(main())
