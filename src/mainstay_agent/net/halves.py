"""Which authority this machine has: the root half on its socket, or one of our own where there is none.

Owns: the choice, and opening the authority of a networked half that is alone.
Does not own: what either of them does.
Invariant: a device that joined with a root half never falls back to an authority of its own.
"""

from mainstay_agent.authority.asking import Asks
from mainstay_agent.authority.embedded import Embedded, open_authority
from mainstay_agent.authority.verbs import Peer
from mainstay_agent.helper.client import HelperClient, socket_path
from mainstay_agent.net.identity import Home, Receipt


def open_asks(home: Home, receipt: Receipt | None) -> tuple[Asks, bool]:
    """Return the authority of this machine: the root half if the device joined with one (or one is there now), else our own."""
    client = HelperClient(socket_path())
    if receipt.has_helper if receipt is not None else client.is_there():
        return client, True
    return open_own(home), False


def open_own(home: Home) -> Asks:
    return Embedded(open_authority(home.authority, is_helper=False), Peer(0, is_trusted=True))
