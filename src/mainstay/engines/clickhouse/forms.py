"""Statements that arrive as a form: clients send them so when the values bound to them are too long for an address.

Owns: a form's fields from a body. Does not own: what they mean (`requests`). Invariant: a file in a form is refused, not ignored.
Source: RFC 7578; ClickHouse documentation, "HTTP interface".
"""

from collections.abc import Iterable
from email import message_from_bytes, policy

from mainstay.engines.clickhouse.errors import BAD_ARGUMENTS, TOO_MANY_BYTES, EngineError, refusal

FORM = "multipart/form-data"
_FORM_BYTES_MAX = 16 * 1024 * 1024
_FIELDS_MAX = 1000


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == FORM


def fields(content_type: str, body: Iterable[bytes]) -> dict[str, str]:
    """Return the fields of a form. Errors: code 36 for a body that is none, 307 for one that is too long."""
    raw = bytearray()
    for piece in body:
        raw += piece
        if len(raw) > _FORM_BYTES_MAX:
            raise refusal(TOO_MANY_BYTES, "TOO_MANY_BYTES", f"the form is longer than {_FORM_BYTES_MAX} bytes")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = message_from_bytes(head + bytes(raw), policy=policy.HTTP)
    parts = list(form.iter_parts()) if form.is_multipart() else []
    if not parts or form.defects or len(parts) > _FIELDS_MAX:
        raise _damaged()
    found: dict[str, str] = {}
    for part in parts:
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if not isinstance(name, str) or name in found or part.get_filename() is not None or not isinstance(data, bytes):
            raise _damaged()
        try:
            found[name] = data.decode()
        except UnicodeDecodeError as problem:
            raise _damaged() from problem
    return found


def _damaged() -> EngineError:
    return refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", "the form cannot be read: it has fields of text, each with a name of its own")
