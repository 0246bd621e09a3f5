"""The command line's way to the API: the same policy and the same evidence as every other door.

Owns: where the server is, which token is used, and how an answer becomes a value or an error of ours.
Does not own: what is asked. Invariant: a token is never printed and never sent to another host.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # JSON of any operation
from uuid import uuid4

import httpx

from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Conflict, Invalid, MainstayError, NotFound, Refused, Unavailable

TIMEOUT_S = 60.0
PAGES_MAX = 10_000
_BY_STATUS: Mapping[int, type[MainstayError]] = {
    400: Invalid, 401: Refused, 403: Refused, 404: NotFound, 409: Conflict, 412: Conflict, 422: Invalid, 429: Unavailable, 503: Unavailable,
}  # fmt: skip
_OWN_FIELDS = ("type", "title", "status", "detail", "code", "retryable", "message")
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Client:
    """One server and one token."""

    url: str
    token: str

    @classmethod
    def from_environment(cls) -> "Client":
        """Take `MAINSTAY_URL` and `MAINSTAY_TOKEN`; without them this machine's own installation and its local token.

        Errors: Refused("cli.no_token") when there is neither, or the local token is not ours to read.
        """
        layout = Layout.from_environment()
        url = os.environ.get("MAINSTAY_URL") or layout.url
        token = os.environ.get("MAINSTAY_TOKEN") or (_local_token(layout.secrets / "cli-token") if "MAINSTAY_URL" not in os.environ else "")
        if not token:
            raise Refused("cli.no_token", f"There is no token for {url}. Set MAINSTAY_TOKEN; make one under Settings, Tokens.")
        return cls(url.rstrip("/"), token)

    def get(self, path: str, query: Query = ()) -> Any:
        """Return the answer of a reading operation below `/api/v1`."""
        return self._send("GET", path, query=query).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do an operation once: a repeat after a lost answer has no second effect."""
        return self._send("POST", path, body=body or {}).json()

    def send(self, method: str, path: str, *, query: Query, body: Mapping[str, Any]) -> Any:
        """Return the answer of any operation; a reading one has no body."""
        return self._send(method, path, query=query, body=None if method == "GET" else body).json()

    def delete(self, path: str) -> Any:
        return self._send("DELETE", path).json()

    def rows(self, path: str, query: Query, limit: int | None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list, page after page, at most `limit` (None: all)."""
        left, after = limit, ""
        for _ in range(PAGES_MAX):
            size = 200 if left is None else min(200, left)
            page = self.get(path, [*query, ("n", str(size)), *([("after", after)] if after else [])])
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            after = page["next"] or ""
            if not after or left == 0:
                return

    def fetch(self, path: str) -> bytes:
        """Return the answer of a reading operation as it is: a document whose bytes matter."""
        return self._send("GET", path).content

    def download(self, path: str, file: Path) -> int:
        """Write the answer of a POST into a file, whole or not at all. Returns its size in bytes."""
        fresh = file.with_name(f".{file.name}.part")
        try:
            with httpx.stream("POST", self._address(path), headers=self._headers("POST"), json={}, timeout=TIMEOUT_S) as answer:
                if answer.is_error:
                    answer.read()
                    raise _problem(answer)
                with fresh.open("wb") as target:
                    for chunk in answer.iter_bytes():
                        target.write(chunk)
            fresh.replace(file)
        except httpx.HTTPError as problem:
            raise _unreachable(self.url, problem) from problem
        finally:
            fresh.unlink(missing_ok=True)
        return file.stat().st_size

    def _send(self, method: str, path: str, *, query: Query = (), body: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            answer = httpx.request(
                method, self._address(path), params=list(query), json=body, headers=self._headers(method), timeout=TIMEOUT_S
            )
        except httpx.HTTPError as problem:
            raise _unreachable(self.url, problem) from problem
        if answer.is_error:
            raise _problem(answer)
        return answer

    def _address(self, path: str) -> str:
        return f"{self.url}/api/v1{path}"

    def _headers(self, method: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        return headers if method == "GET" else {**headers, "Idempotency-Key": uuid4().hex}


def _local_token(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except PermissionError:
        raise Refused("cli.token_not_yours", f"{file} belongs to somebody else. Run this as the user who started Mainstay.") from None
    except OSError:
        return ""


def _unreachable(url: str, problem: httpx.HTTPError) -> Unavailable:
    return Unavailable("cli.server_unreachable", f"{url} does not answer ({type(problem).__name__}). Is it running? mainstay status")


def _problem(answer: httpx.Response) -> MainstayError:
    """Return the error that the server reported, so that the exit code is the one of the same error everywhere."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = {}
    kind = _BY_STATUS.get(answer.status_code, MainstayError)
    code = str(document.get("code", f"http.{answer.status_code}"))
    message = str(document.get("detail", f"The server answered {answer.status_code}."))
    return kind(code, message, **{name: value for name, value in document.items() if name not in _OWN_FIELDS})
