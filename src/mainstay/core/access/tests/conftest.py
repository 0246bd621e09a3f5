"""The cast and a clock that stands still."""

from pathlib import Path

import pytest
from django.conf import settings
from tests.support.cast import Cast, make_cast

from mainstay.kernel.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@pytest.fixture(autouse=True, scope="session")
def _static_root() -> None:
    """Whitenoise warns about a missing folder, and warnings are errors here."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
