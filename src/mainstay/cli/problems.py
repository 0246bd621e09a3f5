"""From an error of ours to a sentence and an exit code (experience page, section 9)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from mainstay.kernel.errors import MainstayError


@contextmanager
def exit_with(stream: TextIO) -> Iterator[None]:
    """Print the sentence of a problem and leave with its exit code; 130 when the person interrupts."""
    try:
        yield
    except MainstayError as problem:
        print(f"mainstay: {problem.message} [{problem.code}]", file=stream)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
