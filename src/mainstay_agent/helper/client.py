"""The networked half's way to the root half.

Owns: one request per connection, turning error frames into Rejected.
Invariant: a root half that does not answer is an error, never an empty answer.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from mainstay_agent.authority.asking import Answer, Body
from mainstay_agent.helper.frames import INTERNAL, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, encode_frame, read_frame
from mainstay_trust.errors import Rejected

SOCKET = "/run/mainstay/helper.sock"
TIMEOUT_S = 150.0


def socket_path() -> Path:
    return Path(os.environ.get("MAINSTAY_HELPER_SOCKET", SOCKET))


@dataclass(frozen=True, slots=True)
class HelperClient:
    """Raises Rejected for a refusal and ConnectionError when nobody listens."""

    path: Path

    def ask(self, verb: str, body: Body) -> Answer:
        data = encode_frame({"verb": verb, "body": body}, REQUEST_BYTES_MAX)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            try:
                connection.connect(str(self.path))
                _write(connection, data)
                answer = read_frame(connection, REPLY_BYTES_MAX)
            except (OSError, Rejected) as problem:
                # A frame that broke off is a root half that was killed while it answered: nobody has refused anything.
                raise ConnectionError(f"the root half does not answer at {self.path}: {problem}") from problem
        error = answer.get("error")
        if isinstance(error, dict):
            if error.get("code") == INTERNAL:
                raise ConnectionError(f"the root half failed: {error.get('detail')}")
            raise Rejected(str(error.get("code")), str(error.get("detail", "")))
        found = answer.get("answer")
        return dict(found) if isinstance(found, dict) else {}

    def is_there(self) -> bool:
        try:
            self.ask("query", {})
        except (ConnectionError, Rejected):
            return False
        return True


def _write(connection: socket.socket, frame: bytes) -> None:
    try:
        connection.sendall(frame)
    except BrokenPipeError:
        return  # we were turned away before we had spoken: the answer that says so is waiting to be read
