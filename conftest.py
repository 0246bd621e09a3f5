"""Fixtures for the whole test suite: real engines, the cast, a fixed clock."""

import os

import pytest

pytest_plugins = ["tests.support.engines"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each worker choose engines and a folder of its own: what this process chose for itself must not reach them."""
    for name in ("DJANGO_SETTINGS_MODULE", "MAINSTAY_DATA"):
        os.environ.pop(name, None)
