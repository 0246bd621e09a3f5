"""Secrets do not leave the device in the output of an action (rule P5).

Owns: the patterns of what looks like a secret.
Invariant: redaction only ever removes; it is a net under the actions, not a licence for them to print secrets.
"""

import re

_MARK = b"[redacted]"
_PAIRS = re.compile(
    rb"(?i)((?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|authorization)[\"']?\s*[:=]\s*[\"']?)"
    rb"((?:bearer |basic )?[^\s\"',;&]+)"
)
_BLOCKS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URLS = re.compile(rb"([a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+@")


def redact(data: bytes) -> bytes:
    """Replace what looks like a password, token, credential in a URL, or private key."""
    data = _BLOCKS.sub(_MARK, data)
    data = _URLS.sub(rb"\1" + _MARK + b"@", data)
    return _PAIRS.sub(rb"\1" + _MARK, data)
