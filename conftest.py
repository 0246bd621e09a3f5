"""Fixtures for the whole test suite: real engines, the cast, a fixed clock; and which tests stay together on one worker."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.support.engines"]

_BROWSER = Path(__file__).parent / "tests" / "browser"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each worker choose engines and a folder of its own: what this process chose for itself must not reach them."""
    for name in ("DJANGO_SETTINGS_MODULE", "MAINSTAY_DATA"):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file together, and all that a browser looks at: those share one installation and find it as the file before left it."""
    for item in items:
        group = "browser" if _BROWSER in item.path.parents else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
