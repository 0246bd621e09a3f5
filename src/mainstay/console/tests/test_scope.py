"""The scope: part of every address, remembered only for the first page, and never wider than a person's reach."""

import pytest
from django.test import RequestFactory
from tests.support.cast import Cast, Member, make_cast

from mainstay.console.pages import _remembered_scope
from mainstay.core.access.requests import Request
from mainstay.kernel.clock import SystemClock
from mainstay.ui.context import _same_place, scopes_of


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast(SystemClock())


def asked(who: Member, address: str = "/", remembered: int | str = "") -> Request:
    request: Request = RequestFactory().get(address)  # type: ignore[assignment]  # the middleware adds what a Request has more
    request.COOKIES["ms_scope"] = str(remembered)
    request.person, request.clock, request.tenant_scope = who.person, SystemClock(), None
    return request


def test_the_first_page_opens_where_one_was_last(cast: Cast) -> None:
    assert _remembered_scope(asked(cast.tara, remembered=cast.harbor.number)) == "/c/harbor/"


@pytest.mark.parametrize("remembered", ["", "harbor", "99999", "-1"])
def test_what_was_not_remembered_leads_nowhere(cast: Cast, remembered: str) -> None:
    assert _remembered_scope(asked(cast.tara, remembered=remembered)) == ""


def test_everything_is_chosen_by_its_own_address(cast: Cast) -> None:
    assert _remembered_scope(asked(cast.tara, "/?scope=all", cast.harbor.number)) == ""


def test_a_remembered_client_of_somebody_else_leads_nowhere(cast: Cast) -> None:
    assert _remembered_scope(asked(cast.iris, remembered=cast.harbor.number)) == ""


def test_one_may_switch_to_what_one_reaches_and_sites_stand_below_their_client(cast: Cast) -> None:
    assert [one.slug for one in scopes_of(asked(cast.tara))] == ["northwind", "harbor", "elm", "quay"]
    assert [one.slug for one in scopes_of(asked(cast.clara))] == ["elm"]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("/", "/"),
        ("/devices/", "/devices/"),
        ("/devices/01a1fffd-a763-7625-b99f-a6e85edb948b/software/", "/devices/"),
        ("/ledger/entries/22/", "/ledger/"),
        ("/settings/trust/", "/settings/trust/"),
    ],
)
def test_a_record_of_one_client_is_not_looked_for_in_another(here: str, there: str) -> None:
    request = RequestFactory().get(here)

    assert _same_place(request) == there
