"""One key, one effect, one answer."""

from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock
from mainstay.ui.idempotency import IdempotencyMiddleware
from mainstay.ui.models import FirstAnswer


@pytest.fixture
def send(actor: Actor) -> Callable[..., HttpResponse]:
    """Send a request through the middleware to a view that counts its acts and answers with the number."""
    acts: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        acts.append(request.path)
        status = int(request.POST.get("status", "200"))
        return HttpResponse(f"act {len(acts)}", status=status, headers={"X-Secret": "no"})

    def post(path: str = "/x", key: str = "k1", by: Actor = actor, **fields: str) -> HttpResponse:
        request = RequestFactory().post(path, fields, headers={"Idempotency-Key": key} if key else {})
        request.actor, request.clock = by, FixedClock()
        answer = IdempotencyMiddleware(view)(request)
        assert isinstance(answer, HttpResponse)
        return answer

    return post


def test_a_repeat_has_the_first_answer_and_no_second_effect(send: Callable[..., HttpResponse]) -> None:
    assert send(note="a").content == b"act 1"

    again = send(note="a")

    assert (again.content, again["Idempotency-Replayed"], again.status_code) == (b"act 1", "true", 200)
    assert "X-Secret" not in again
    assert send(note="a", key="k2").content == b"act 2"


def test_the_same_key_with_another_body_or_address_is_a_conflict(send: Callable[..., HttpResponse]) -> None:
    send(note="a")

    assert send(note="b").status_code == 409
    assert send(path="/y", note="a").status_code == 409
    assert send(key="k2").content == b"act 2"


def test_the_key_of_a_form_counts_like_the_header_and_a_new_csrf_token_is_no_other_body(send: Callable[..., HttpResponse]) -> None:
    assert send(key="", idempotency_key="f1", csrfmiddlewaretoken="one").content == b"act 1"
    assert send(key="", idempotency_key="f1", csrfmiddlewaretoken="two").content == b"act 1"


def test_without_a_key_each_request_is_its_own(send: Callable[..., HttpResponse]) -> None:
    assert [send(key="").content, send(key="").content] == [b"act 1", b"act 2"]
    assert FirstAnswer.objects.count() == 0


@pytest.mark.parametrize("status", ["404", "409", "422", "500"])
def test_a_request_that_changed_nothing_may_be_sent_again(send: Callable[..., HttpResponse], status: str) -> None:
    send(status=status)

    assert FirstAnswer.objects.count() == 0


def test_a_key_that_is_no_key_is_refused_before_anything_happens(send: Callable[..., HttpResponse]) -> None:
    assert send(key="x" * 81).status_code == 422
    assert send(key="ok").content == b"act 1"


def test_an_answer_too_large_to_keep_says_so(send: Callable[..., HttpResponse], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mainstay.ui.idempotency.BODY_MAX", 3)
    assert send().content == b"act 1"

    again = send()

    assert again.status_code == 409
    assert send(key="k2").content == b"act 2"
