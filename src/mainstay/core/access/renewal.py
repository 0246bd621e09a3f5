"""The certificate of the TLS listener is renewed while the listener runs.

Owns: when to look, telling the listener. Does not own: what is due (tls), the listener's processes.
Invariant: the server's key stays, so agents that pinned it and browsers that trust the authority notice nothing.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mainstay.core.access import tls
from mainstay.kernel.clock import Clock

EVERY_S = 3600.0

log = logging.getLogger(__name__)


@dataclass
class Renewal:
    """Renews what is due, and calls `reload` when the listener must read a new certificate."""

    folder: Path
    names: Sequence[str]
    clock: Clock
    reload: Callable[[], None]
    served: datetime | None = None

    def look(self) -> bool:
        """Renew if due; True when the listener was told. Errors: OSError when the folder cannot be written."""
        authority = tls.ensure_authority(self.folder, names=self.names, clock=self.clock)
        before, self.served = self.served, authority.not_after
        if before is None or before == authority.not_after:
            return False
        log.info("the certificate of the TLS listener was renewed; it is valid until %s", authority.not_after.date())
        self.reload()
        return True

    def run(self, stop: threading.Event) -> None:
        """Look every hour. A folder that cannot be written is tried again; doctor names the date meanwhile."""
        while not stop.is_set():
            try:
                self.look()
            except OSError as problem:
                log.warning("the certificate of the TLS listener could not be renewed: %s", problem)
            stop.wait(EVERY_S)


def tell_listener() -> None:
    """Ask this worker's parent, the listener, for workers that read the certificate again; they take over before this one ends."""
    os.kill(os.getppid(), signal.SIGHUP)


def start(folder: Path, names: Sequence[str], clock: Clock) -> threading.Thread:
    """Start looking, in a thread that ends with its process."""
    renewal = Renewal(folder, names, clock, tell_listener)
    thread = threading.Thread(target=renewal.run, args=(threading.Event(),), name="tls-renewal", daemon=True)
    thread.start()
    return thread
