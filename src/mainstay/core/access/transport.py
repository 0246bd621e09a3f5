"""What a browser is told over TLS: come back only over TLS.

Owns: Strict-Transport-Security. Does not own: the names and flags of cookies (settings), the listener.
Invariant: never for a loopback name. The rule holds for every port of a name, and the local listener speaks plain HTTP.
Source: RFC 6797, section 6.1.
"""

import ipaddress
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port

HEADER = "Strict-Transport-Security"
VALUE = f"max-age={365 * 24 * 3600}"

Handler = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class TransportMiddleware:
    """Adds the header to answers over TLS. Without it everything works; with it nobody is talked down to plain HTTP."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        answer = self.get_response(request)
        return _mark(request, answer) if isinstance(answer, HttpResponseBase) else self._marked(request, answer)

    async def _marked(self, request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return _mark(request, await answer)


def _mark(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    host, _port = split_domain_port(request.META.get("HTTP_HOST", ""))
    if request.is_secure() and host and not is_loopback(host):
        response.headers[HEADER] = VALUE
    return response


def is_loopback(host: str) -> bool:
    """Tell whether a Host is this machine's own, by name or address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
