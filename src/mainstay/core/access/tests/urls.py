"""Addresses for the tests of the request scope: the real way in, and a few views that show what a view would see."""

from collections.abc import Iterator

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path, reverse

from mainstay.core.access import pages
from mainstay.core.access.models import Tenant
from mainstay.core.access.services import create_client, require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bound_tenant
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.errors import Conflict, Unavailable


def who(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only'), current_setting('app.scope', true)")
        read_only, scope = cursor.fetchone()
    return JsonResponse(
        {
            "ref": request.actor.ref,
            "via": str(request.actor.via),
            "roles": sorted(request.actor.roles),
            "tenant": str(bound_tenant()),
            "read_only": read_only,
            "scope": sorted(one for one in scope.split(",") if one),
            "here": reverse("who"),
        }
    )


def read_and_write(request: HttpRequest) -> HttpResponse:
    ledger.record(request.actor, "access.test.written", new_id(), clock=request.clock)
    return HttpResponse("written")


def open_client(request: HttpRequest) -> HttpResponse:
    create_client(actor=request.actor, name="Mill", slug="mill", prefix="MILL", clock=request.clock)
    return HttpResponse("opened")


def write_then_fail(request: HttpRequest) -> HttpResponse:
    open_client(request)
    raise Conflict("access.test_conflict", "The world moved on.", pointer="slug")


def write_then_answer_422(request: HttpRequest) -> HttpResponse:
    open_client(request)
    return HttpResponse("no", status=422)


def unavailable(request: HttpRequest) -> HttpResponse:
    raise Unavailable("access.test_down", "The engine is down.")


def refused(request: HttpRequest) -> HttpResponse:
    require(request.actor, "access.policy.juggle")
    return HttpResponse("done")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        yield f"{connection.in_atomic_block}"

    return StreamingHttpResponse(lines())


def agent(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"actor": hasattr(request, "actor"), "atomic": connection.in_atomic_block})


def count(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"tenants": Tenant.objects.count()})


urlpatterns = [
    path("", include((pages.urlpatterns, "access"))),
    path("account/", include("allauth.urls")),
    path("", count, name="today"),
    path("who", who, name="who"),
    path("api/v1/who", who),
    path("write", read_and_write),
    path("client", open_client),
    path("fail", write_then_fail),
    path("invalid", write_then_answer_422),
    path("down", unavailable),
    path("refused", refused),
    path("stream", stream),
    path("agent/v1/poll", agent),
]
