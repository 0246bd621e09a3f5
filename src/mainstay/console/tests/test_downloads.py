"""Files that are sent piece by piece arrive whole, whatever the client accepts."""

import pytest
from django.http import HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.test import RequestFactory
from tests.support.cast import make_cast

from mainstay.console.lists import PEOPLE
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.clock import FixedClock
from mainstay.ui.lists.views import list_csv

pytestmark = pytest.mark.django_db


def test_a_streamed_file_is_not_compressed_chunk_by_chunk() -> None:
    """Most readers stop after the first of several gzip members: a table would end after its header."""
    clock = FixedClock()
    cast = make_cast(clock)
    bind(cast.northwind.id)
    request = RequestFactory().get("/settings/people.csv", headers={"Accept-Encoding": "gzip"})
    request.actor, request.clock = cast.nadia.actor, clock  # type: ignore[attr-defined]  # as the middleware of access does

    answer = GZipMiddleware(lambda _: HttpResponse()).process_response(request, list_csv(request, PEOPLE))

    assert answer["Content-Encoding"] == "identity"
