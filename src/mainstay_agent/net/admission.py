"""Joining and leaving on a real machine.

Owns: bringing enrolment, the authority and the state folder together; who owns the files afterwards.
Does not own: the conversation (`net.enrolment`), adopting a root (`authority`).
Invariant: the receipt is written last, so that a half-done enrolment is none.
"""

import hashlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from mainstay_agent.authority.asking import Asks
from mainstay_agent.authority.launch import ProcessLauncher
from mainstay_agent.host.clocks import boot_id
from mainstay_agent.host.machine import Machine
from mainstay_agent.net import enrolment, identity
from mainstay_agent.net.enrolment import Candidate
from mainstay_agent.net.exchange import HttpExchange
from mainstay_agent.net.halves import open_asks
from mainstay_agent.net.identity import Home, Receipt
from mainstay_agent.net.inventory import InChild
from mainstay_agent.net.link import Link
from mainstay_agent.net.orders import Orders
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_trust.canonical import JSON
from mainstay_trust.enrol import Code, Transcript
from mainstay_trust.errors import Rejected

RESULT_PAGES_MAX = 200


@dataclass(frozen=True, slots=True)
class AskedKey:
    """The evidence key of an authority."""

    asks: Asks

    def evidence_public(self) -> bytes:
        return bytes.fromhex(str(self.asks.ask("query", {}).get("evidence")))

    def prove_possession(self, transcript: Transcript) -> bytes:
        answer = self.asks.ask("docs", {"op": "prove", "transcript": transcript_json(transcript)})
        return bytes.fromhex(str(answer.get("proof")))


def join(home: Home, url: str, code: Code) -> Receipt:
    """Join a tenant. Errors: Rejected("already_enrolled"), ServerRefused, Unreachable."""
    if identity.load(home) is not None:
        raise Rejected("already_enrolled", "this machine is enrolled; run `mainstay-agent leave` first")
    asks, has_helper = open_asks(home, None)
    candidate = Candidate(home.key("transport"), home.key("witness"), AskedKey(asks), machine_identity(Machine()), has_helper)
    exchange = HttpExchange(url.rstrip("/"), pins=None)
    exchange.connect()
    joined = enrolment.join(exchange, url.rstrip("/"), code, candidate)
    exchange.close()
    body: dict[str, JSON] = {
        "op": "enrol",
        "receipt": joined.receipt.body,
        "code": str(code),
        "transcript": transcript_json(joined.transcript),
        "mac": joined.server_mac,
    }
    asks.ask("docs", body)
    identity.save(home, joined.receipt)
    return joined.receipt


def hand_over(home: Home, owner: str) -> None:
    """Give the state folder to the user who runs the agent; root joins, an ordinary user observes."""
    account = pwd.getpwnam(owner)
    for folder, _, files in os.walk(home.folder):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def leave(asks: Asks, link: Link) -> bool:
    """Sign the last result, deliver what waits, destroy the keys; tell whether the server could be told."""
    asks.ask("docs", {"op": "leave"})
    was_told = _deliver(asks, link)
    asks.ask("docs", {"op": "forget"})
    return was_told


def _deliver(asks: Asks, link: Link) -> bool:
    orders = Orders(asks)
    try:
        for _ in range(RESULT_PAGES_MAX):
            if not orders.send_results(link):
                return True
    except (Unreachable, ServerRefused):
        return False  # leaving is a local right: a server that is away cannot forbid it
    return False


def machine_identity(machine: Machine) -> Mapping[str, JSON]:
    """Return what lets the server recognise a machine that was here before (rule N6); placeholders are left out."""
    answers = {answer.get("group"): answer.get("value") for answer in InChild(ProcessLauncher(has_systemd=False)).collect(["hw", "net"])}
    hardware, network = _fields(answers.get("hw")), _fields(answers.get("net"))
    machine_id = machine.read_or_none("etc/machine-id") or ""
    return {
        # The raw machine id is a secret by its own manual page; its hash names the machine as well.
        "machine_id_hash": hashlib.sha256(b"mainstay-machine-v1\0" + machine_id.encode()).hexdigest(),
        "hostname": machine.read_or_none("proc/sys/kernel/hostname") or "unknown",
        "serial": _text(hardware.get("serial")),
        "board_uuid": _text(hardware.get("board_uuid")),
        "macs": [*_macs(network.get("interfaces"))],
        "boot_id": boot_id(machine.root),
    }


def transcript_json(transcript: Transcript) -> dict[str, JSON]:
    return {
        "id": transcript.code_id,
        "na": transcript.agent_nonce,
        "ns": transcript.server_nonce,
        "spki": transcript.spki,
        "root": transcript.root,
        "url": transcript.url,
    }


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _macs(interfaces: object) -> list[str]:
    rows = interfaces if isinstance(interfaces, list) else []
    real = [row for row in rows if isinstance(row, dict) and row.get("kind") in ("ethernet", "wireless")]
    return sorted(str(row["mac"]) for row in real if row.get("mac"))[:16]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
