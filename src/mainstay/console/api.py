"""The root of the API: every domain's router under `/api/v1/<domain>`, problem details, OpenAPI, a reference that works offline.

Owns: the collection, the form of errors, the documentation. Does not own: operations (each domain's `api.py`).
"""

import json
from collections.abc import Mapping
from typing import Any  # parts of an OpenAPI document

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from ninja import NinjaAPI
from ninja.errors import ValidationError

from mainstay.console import api_access, api_config, api_ledger
from mainstay.core.access.problems import problem_response
from mainstay.core.access.services import require
from mainstay.domains.alerting import api as alerting
from mainstay.domains.assurance import api as assurance
from mainstay.domains.automation import api as automation
from mainstay.domains.desk import api as desk
from mainstay.domains.estate import api as estate
from mainstay.domains.telemetry import api as telemetry
from mainstay.kernel.errors import Invalid, MainstayError
from mainstay.ui.lists.viewer import actor_of

VERSION = "1"
METHODS = ("get", "post", "put", "patch", "delete")

api = NinjaAPI(
    title="Mainstay",
    version=VERSION,
    description="Everything that a page can do. Errors are RFC 9457 problem details.",
    docs_url=None,  # the bundled viewers load scripts from elsewhere; our own page needs none
    openapi_url="openapi.json",
    urls_namespace="api",
)
api.add_router("/access", api_access.router)
api.add_router("/ledger", api_ledger.router)
api.add_router("/console", api_config.router)
api.add_router("/estate", estate.router)
api.add_router("/telemetry", telemetry.router)
api.add_router("/alerting", alerting.router)
api.add_router("/desk", desk.router)
api.add_router("/automation", automation.router)
api.add_router("/assurance", assurance.router)


def on_problem(request: HttpRequest, problem: MainstayError | type[MainstayError]) -> HttpResponse:
    """Answer an error of ours; its status also rolls the request's transaction back."""
    assert isinstance(problem, MainstayError)  # noqa: S101 - Ninja hands an instance; its type says more
    return problem_response(request, problem)


def on_bad_input(request: HttpRequest, problem: ValidationError | type[ValidationError]) -> HttpResponse:
    """Answer input that does not fit its schema, with a pointer to each part."""
    assert isinstance(problem, ValidationError)  # noqa: S101 - as above
    faults = [{"pointer": "/".join(str(part) for part in one["loc"]), "code": one["type"], "detail": one["msg"]} for one in problem.errors]
    sentence = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults[:3])
    return problem_response(request, Invalid("api.bad_input", f"The request does not fit: {sentence}.", problems=faults))


api.add_exception_handler(MainstayError, on_problem)
api.add_exception_handler(ValidationError, on_bad_input)


def reference(request: HttpRequest) -> HttpResponse:
    """The API for people, drawn from its own document: no script of others, no foreign address."""
    require(actor_of(request), "access.tenant.read")
    document = api.get_openapi_schema()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                groups.setdefault((operation.get("tags") or ["other"])[0], []).append(_operation(document, path, method, operation))
    context = {
        "groups": sorted(groups.items()),
        "title": api.title,
        "version": api.version,
        "openapi": document["openapi"],
        "document_url": reverse("api:openapi-json"),
    }
    return render(request, "console/reference.html", context)


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = next((media.get("schema") for media in content.values()), None)
    return {
        "id": operation.get("operationId", f"{method}-{path}"),
        "path": path,
        "method": method,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "permission": operation.get("x-permission", ""),
        "parameters": operation.get("parameters", []),
        "body": json.dumps(_resolved(document, schema), indent=2) if schema else "",
    }


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a `$ref` points to, one step deep: enough to read."""
    reference_text = schema.get("$ref", "")
    if not reference_text.startswith("#/components/schemas/"):
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference_text.rpartition("/")[2]]
    return found
