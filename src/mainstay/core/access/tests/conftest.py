"""The cast and a clock that stands still."""

import pytest
from tests.support.cast import Cast, make_cast

from mainstay.kernel.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)
