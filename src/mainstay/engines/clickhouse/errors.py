"""Errors in ClickHouse's own form, so that a client cannot tell the embedded engine from a server.

Owns: code, text and HTTP status. Source: ClickHouse `exceptionCodeToHTTPStatus`, src/Server/HTTP (release 26).
"""

import re

SYNTAX_ERROR = 62
UNKNOWN_DATABASE = 81
BAD_ARGUMENTS = 36
TOO_MANY_QUERIES = 202
AUTHENTICATION_FAILED = 516
SESSION_IS_LOCKED = 373
SESSION_NOT_FOUND = 372
TOO_MANY_BYTES = 307
UNKNOWN_COMPRESSION = 89
UNKNOWN_EXCEPTION = 1002

_BAD_REQUEST = {6, 26, 27, 33, 36, 38, 41, 53, 62, 67, 69, 70, 72, 89, 117, 130, 131, 177, 190, 386, 427, 456, 457}
_NOT_FOUND = {16, 46, 47, 50, 56, 60, 73, 81, 115, 372}
_FORBIDDEN = {192, 193, 497, 516}
_STATUS = {202: 503, 307: 413, 373: 409, 159: 408, 164: 403, 194: 401, 439: 503, 48: 501}


class EngineError(Exception):
    """What the engine, or this process in its name, refused. `text` is complete: `Code: N. DB::Exception: ...`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse gives for the code."""
        if self.code in _STATUS:
            return _STATUS[self.code]
        if self.code in _FORBIDDEN:
            return 403
        if self.code in _NOT_FOUND:
            return 404
        return 400 if self.code in _BAD_REQUEST else 500


def refusal(code: int, name: str, message: str) -> EngineError:
    """Return an error of this process, in the engine's form."""
    return EngineError(code, f"Code: {code}. DB::Exception: {message} ({name})")


def from_engine(problem: RuntimeError) -> EngineError:
    """Read the code from what the binding raised."""
    text = str(problem).strip()
    found = re.search(r"Code: (\d+)\.", text)
    return EngineError(int(found.group(1)), text[found.start() :]) if found else refusal(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text)
