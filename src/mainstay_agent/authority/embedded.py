"""An authority inside the calling process: for machines without a root half, and for simulated devices.

Owns: building an authority from a folder, speaking its verbs without a socket.
Invariant: without the root half nothing above T0 runs: checks then answer `no_helper`, in results signed by a key called unprotected.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mainstay_agent.authority import verbs
from mainstay_agent.authority.asking import Answer, Body
from mainstay_agent.authority.core import Authority, Settings
from mainstay_agent.authority.freezing import freeze_file
from mainstay_agent.authority.launch import Launcher, ProcessLauncher
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.host.clocks import Clock, SystemClock, boot_id
from mainstay_agent.host.durable import make_private_folder
from mainstay_agent.host.ed25519 import load_or_create


@dataclass(frozen=True, slots=True)
class Embedded:
    authority: Authority
    peer: Peer

    def ask(self, verb: str, body: Body) -> Answer:
        return verbs.ask(self.authority, verb, body, self.peer)


def beside(effect: Callable[[], None]) -> None:
    """Run an effect on a thread of its own; the process waits for it before it ends."""
    threading.Thread(target=effect, name="action").start()


def open_authority(
    folder: Path,
    *,
    is_helper: bool,
    clock: Clock | None = None,
    launcher: Launcher | None = None,
    spawn: Callable[[Callable[[], None]], None] = beside,
    boot: str | None = None,
    freeze: Path | None = None,
) -> Authority:
    """Open (or begin) the authority of a folder and look after what was cut short."""
    make_private_folder(folder)
    settings = Settings(folder, boot or boot_id(), is_helper, freeze or freeze_file())
    evidence = load_or_create(folder / "evidence.key")
    authority = Authority(settings, evidence, clock or SystemClock(), launcher or ProcessLauncher(), spawn)
    authority.recover()
    return authority
