"""What can go wrong between the agent and its server.

Owns: two errors: nobody answered, or the server said no.
Invariant: a code is that of the specification, and is what `mainstay-agent status` shows.
"""


class Unreachable(Exception):
    """No trustworthy answer: name, connection, TLS, pin, or a reply that is not the server's. The request may have arrived."""

    def __init__(self, code: str, detail: str = "", retry_after_s: int | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class ServerRefused(Exception):
    """A signed refusal."""

    def __init__(
        self, code: str, message: str = "", *, status: int = 400, expected: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.expected = expected
        self.retry_after_s = retry_after_s
