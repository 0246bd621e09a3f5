"""A repeated request has one effect and one answer.

Owns: the key of a form or API call and the first answer under it. Does not own: the effect.
Invariant: key, effect and answer are committed together, because all three happen in the request's transaction.
Same key with another body is a conflict, never a second act. Answers are kept for a day.
"""

import hashlib
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from mainstay.core.access.problems import problem_response
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, MainstayError
from mainstay.ui.models import FirstAnswer

FIELD = "idempotency_key"
KEY_MAX = 80
BODY_MAX = 256 * 1024
_KEPT_HEADERS = ("Content-Type", "Location", "HX-Redirect", "HX-Trigger", "HX-Retarget", "HX-Reswap")
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_CLAIM = """
INSERT INTO ui_first_answer (id, tenant, actor, key, request_sha256, headers, body, created_at)
VALUES (%s, %s, %s, %s, %s, '{}', '', %s) ON CONFLICT (tenant, actor, key) DO NOTHING
"""


class IdempotencyMiddleware:
    """Stands inside the request's transaction. Requests without a key pass untouched."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        actor: Actor | None = getattr(request, "actor", None)
        if request.method not in _UNSAFE or actor is None or not connection.in_atomic_block:
            return self._get_response(request)
        try:
            key = _key(request)
            return self._once(request, actor, key) if key else self._get_response(request)
        except MainstayError as problem:
            return problem_response(request, problem)

    def _once(self, request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
        clock: Clock = request.clock  # type: ignore[attr-defined]  # set with the actor
        digest = _digest(request)
        if not _claim(actor, key, digest, clock):
            return _replay(actor, key, digest)
        answer = self._get_response(request)
        _keep(actor, key, answer)
        return answer


def _key(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "") or (request.POST.get(FIELD, "") if request.method == "POST" else "")
    if len(key) > KEY_MAX or not key.isprintable():
        raise Invalid(
            "api.bad_idempotency_key", f"An idempotency key has at most {KEY_MAX} printable characters.", pointer="Idempotency-Key"
        )
    return key


def _digest(request: HttpRequest) -> bytes:
    """Hash what the request asks for. A form is hashed by its fields, for a repeat may be encoded or signed anew."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    if request.method != "POST" or request.content_type not in _FORMS:
        digest.update(request.body)
        return digest.digest()
    for name, values in sorted(request.POST.lists()):
        if name not in (FIELD, "csrfmiddlewaretoken"):
            digest.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            digest.update(repr((name, file.name, hashlib.sha256(file.read()).hexdigest())).encode())
            file.seek(0)
    return digest.digest()


def _claim(actor: Actor, key: str, digest: bytes, clock: Clock) -> bool:
    """Take the key, waiting for a concurrent request under the same one to end. False: somebody was first."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [new_id(), actor.tenant, actor.ref, key, digest, clock.now()])
        return bool(cursor.rowcount == 1)


def _replay(actor: Actor, key: str, digest: bytes) -> HttpResponse:
    first = FirstAnswer.objects.get(tenant=actor.tenant, actor=actor.ref, key=key)
    if bytes(first.request_sha256) != digest:
        raise Conflict("api.idempotency_mismatch", "This idempotency key was used for another request. Use a new key for a new request.")
    if first.status is None:
        raise Conflict("api.answer_not_kept", "This request was done; its answer was too large to be kept. Read the record instead.")
    answer = HttpResponse(bytes(first.body), status=first.status, headers=first.headers)
    answer["Idempotency-Replayed"] = "true"
    return answer


def _keep(actor: Actor, key: str, answer: HttpResponseBase) -> None:
    """Keep a success; a refused or invalid request changed nothing, so that the same form may be sent again corrected."""
    row = FirstAnswer.objects.filter(tenant=actor.tenant, actor=actor.ref, key=key)
    if answer.status_code >= 400:
        row.delete()
    elif isinstance(answer, HttpResponse) and len(answer.content) <= BODY_MAX:
        headers = {name: answer[name] for name in _KEPT_HEADERS if name in answer}
        row.update(status=answer.status_code, headers=headers, body=answer.content)
