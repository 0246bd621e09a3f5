"""The error tree. Raised where the problem is known, translated only at the edge.

Owns: five classes with a stable code, a sentence for people and fields for machines.
Does not own: HTTP answers, exit codes and pages (each edge translates).
Source: RFC 9457 for the status each edge uses; the table in the style page, section 8.
"""

from collections.abc import Mapping


class MainstayError(Exception):
    """A problem with a stable code. `message` says what happened, why, and what to do."""

    status = 500
    exit_code = 1
    retryable = False

    def __init__(self, code: str, message: str = "", **fields: object) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code
        self.fields: Mapping[str, object] = fields


class Refused(MainstayError):
    """This actor may not. Carries the id of the policy that decided, where one did."""

    status = 403
    exit_code = 3


class NotFound(MainstayError):
    """It is not there, or it belongs to another tenant: nobody can tell which."""

    status = 404
    exit_code = 4


class Conflict(MainstayError):
    """The world moved on since the caller looked."""

    status = 409
    exit_code = 5


class Invalid(MainstayError):
    """The input is wrong. `fields` carries pointers to the parts that are."""

    status = 422
    exit_code = 6


class Unavailable(MainstayError):
    """Something else is down."""

    status = 503
    exit_code = 7

    def __init__(self, code: str, message: str = "", *, retryable: bool = True, **fields: object) -> None:
        super().__init__(code, message, **fields)
        self.retryable = retryable
