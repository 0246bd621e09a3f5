"""Fixtures for the whole test suite: real engines, the cast, a fixed clock."""

pytest_plugins = ["tests.support.engines"]
