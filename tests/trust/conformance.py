"""Where the conformance data lies, or why a test must be skipped."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MAINSTAY_CONFORMANCE", Path(__file__).resolve().parents[2] / "../shared/conformance"))


def folder(name):
    path = FOLDER / name
    if not path.is_dir():
        named = (
            "MAINSTAY_CONFORMANCE" if "MAINSTAY_CONFORMANCE" in os.environ else "MAINSTAY_CONFORMANCE is not set and ../shared/conformance"
        )
        pytest.skip(f"no conformance data ({named}: {path} does not exist)")
    return path
