"""The socket of the root half.

Owns: who may connect (`SO_PEERCRED`), one request per connection, a bounded number of them, the end after idle time.
Does not own: what a verb does (`authority.verbs`).
Invariant: nothing that a peer sends can end the process or reach past the verbs.
"""

import os
import socket
import struct
import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from mainstay_agent.authority import verbs
from mainstay_agent.authority.core import Authority
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.helper.frames import INTERNAL, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, read_frame, write_frame
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected

CONNECTIONS_MAX = 8
FRAME_TIMEOUT_S = 10.0
LOOK_EVERY_S = 1.0
IDLE_S = 30.0
WAKE_EVERY_S = 5.0
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True)
class Server:
    """Serves until told to stop, until idle (whoever owns the socket starts us again), or until `parent` has died."""

    authority: Authority
    listener: socket.socket
    uids: Collection[int]
    parent: int | None = None
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(CONNECTIONS_MAX))
    _busy: set[socket.socket] = field(default_factory=set)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def serve(self) -> None:
        idle_s = since_wake_s = 0.0
        self.listener.settimeout(LOOK_EVERY_S)
        while not self._stopping.is_set() and self.parent in (None, os.getppid()):
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                idle_s, since_wake_s = idle_s + LOOK_EVERY_S, since_wake_s + LOOK_EVERY_S
                if since_wake_s >= WAKE_EVERY_S:
                    since_wake_s = 0.0
                    self.authority.wake()
                if idle_s >= IDLE_S and not self._busy and not self.authority.active_count:
                    return
                continue
            except OSError:
                return  # the listener was closed: we are told to stop
            idle_s = 0.0
            self._slots.acquire()
            self._busy.add(connection)
            threading.Thread(target=self._connection, args=(connection,), name="peer", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _connection(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(FRAME_TIMEOUT_S)
                write_frame(connection, self._answer(connection), REPLY_BYTES_MAX)
        except (OSError, Rejected):
            return  # the peer is gone, or the answer does not fit a frame: there is nobody left to tell
        finally:
            self._busy.discard(connection)
            self._slots.release()

    def _answer(self, connection: socket.socket) -> dict[str, JSON]:
        try:
            peer = self._peer(connection)
            request = read_frame(connection, REQUEST_BYTES_MAX)
            verb, body = request.get("verb"), request.get("body")
            if not isinstance(verb, str) or not isinstance(body, dict):
                raise Rejected("bad_request", "verb and body are expected")
            return {"answer": verbs.ask(self.authority, verb, body, peer)}
        except Rejected as refusal:
            return {"error": {"code": refusal.code, "detail": refusal.detail[:500]}}
        except Exception as problem:  # process boundary: whatever a peer provokes, the root half stays up and says that it failed
            return {"error": {"code": INTERNAL, "detail": type(problem).__name__}}

    def _peer(self, connection: socket.socket) -> Peer:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _pid, uid, _gid = _CREDENTIALS.unpack(raw)
        trusted = {0, os.geteuid()}
        if uid not in trusted and uid not in self.uids:
            raise Rejected("not_trusted", f"user {uid} may not speak to the root half")
        return Peer(uid, uid in trusted)
