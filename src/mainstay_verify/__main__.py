"""Runs the verifier as `python -m mainstay_verify`."""

import sys

from mainstay_verify.mainstay_verify import main

sys.exit(main())
