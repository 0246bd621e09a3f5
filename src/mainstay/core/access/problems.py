"""Errors become answers: problem details for programs, pages for people.

Owns: the shape of an answer to an error of ours. Source: RFC 9457; the table in the experience page, section 9.
"""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.html import escape

from mainstay.kernel.errors import MainstayError, NotFound, Unavailable

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
_TITLES = {
    401: "Sign in first",
    403: "Not permitted",
    404: "Not found",
    409: "Changed in the meantime",
    412: "Changed in the meantime",
    422: "Not valid",
    500: "Something went wrong",
    503: "Not available",
}


def problem(error: MainstayError) -> dict[str, object]:
    """Return the members of a problem document. What belongs to another tenant reads exactly like what does not exist."""
    fields = {} if isinstance(error, NotFound) else dict(error.fields)
    code, detail = ("not_found", "There is nothing here.") if isinstance(error, NotFound) else (error.code, error.message)
    return {
        "type": f"urn:mainstay:{code}",
        "title": _TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": detail,
        "code": code,
        **{name: value for name, value in fields.items() if name not in ("type", "title", "status", "detail", "code")},
    }


def problem_response(request: HttpRequest, error: MainstayError) -> HttpResponse:
    """Answer an error: JSON to programs, a page to people."""
    document = problem(error)
    response = _json(document) if wants_json(request) else _page(request, document)
    if isinstance(error, Unavailable) and error.retryable:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response


def wants_json(request: HttpRequest) -> bool:
    """Tell whether a program asks: an API address, a token, a JSON export, or an Accept header that says so."""
    path = request.path_info
    if path.startswith("/api/") or path.endswith(".json") or "Authorization" in request.headers:
        return True
    return not request.accepts("text/html") and request.accepts("application/json")


def unauthenticated(request: HttpRequest) -> HttpResponse:
    """Answer a program that brought no valid credentials."""
    response = _json(
        {
            "type": "urn:mainstay:access.sign_in_needed",
            "title": _TITLES[401],
            "status": 401,
            "detail": "Bring a session or a valid token: Authorization: Bearer mst1_...",
            "code": "access.sign_in_needed",
        }
    )
    response["WWW-Authenticate"] = "Bearer"
    return response


def _json(document: dict[str, object]) -> HttpResponse:
    status = document["status"]
    assert isinstance(status, int)  # noqa: S101 - narrows the type; every caller puts a number there
    return JsonResponse(
        document, status=status, content_type="application/problem+json", json_dumps_params={"default": str, "ensure_ascii": False}
    )


def _page(request: HttpRequest, document: dict[str, object]) -> HttpResponse:
    """Render the error page; where its template is missing or broken, plain words have to do."""
    status = document["status"]
    assert isinstance(status, int)  # noqa: S101 - as above
    try:
        body: str = render_to_string(f"ui/errors/{status}.html", {"problem": document, **document}, request=request)
    except Exception:  # the last boundary: a page that fails to explain an error must not replace it by another
        log.exception("the page for status %s cannot be rendered", status)
        body = f"<!doctype html><title>{status}</title><h1>{escape(document['title'])}</h1><p>{escape(document['detail'])}</p>"
    return HttpResponse(body, status=status)
