"""Hello and join: two requests before a device has a key that we know."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from django.db import transaction

from mainstay.connectors.agent.intake import fields
from mainstay.connectors.agent.intake.gate import Incoming
from mainstay.connectors.agent.intake.limits import parse
from mainstay.core.ledger import queries as ledger
from mainstay.core.ledger import services as ledger_services
from mainstay.core.tenancy.binding import bind, tenant_transaction
from mainstay.domains.automation import queries as automation
from mainstay.domains.estate import services as estate
from mainstay.domains.estate.queries import routes
from mainstay.domains.estate.rules.freshness import POLL_S
from mainstay.domains.estate.rules.identity import CodeReason
from mainstay.kernel import actors
from mainstay.kernel.actors import Via
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Refused
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import dsse, enrol

LEDGER_WAIT_S = 3.0
_HELLOS_REMEMBERED = 10_000


class Enrolment:
    """The two requests, with what they must know of this server."""

    def __init__(self, *, reply_public: bytes, tls_folder: Path) -> None:
        self._reply_public = reply_public
        self._tls_folder = tls_folder
        # The address that the agent used is part of the transcript; only hello names it.
        self._urls: OrderedDict[tuple[str, str], str] = OrderedDict()

    def hello(self, incoming: Incoming, clock: Clock) -> dict[str, Json]:
        """Prove to an agent that this server knows its code."""
        body = parse(incoming.expanded)
        code_id, nonce, url = fields.text(body, "id"), fields.text(body, "na"), fields.text(body, "url")
        with transaction.atomic():
            tenant = _bind_code(code_id)
            spki, root = self._spki(incoming), root_fingerprint(tenant)
            answer = estate.hello(tenant=tenant, code_id=code_id, agent_nonce=nonce, url=url, spki=spki, root=root, clock=clock)
        self._remember(code_id, nonce, url)
        return {"ns": answer.nonce, "spki": spki, "root": root, "mac": answer.mac}

    def join(self, incoming: Incoming, clock: Clock) -> dict[str, Json]:
        """Let a device in and return its receipt. A wrong proof is counted even though the attempt is rolled back."""
        body = parse(incoming.expanded)
        code_id = fields.text(body, "id")
        try:
            with transaction.atomic():
                tenant = _bind_code(code_id)
                request = _join_of(body, self._url_of(body, incoming))
                actor = actors.system("intake", tenant, via=Via.AGENT)
                enrolled = estate.join(actor=actor, request=request, spki=self._spki(incoming), root=root_fingerprint(tenant), clock=clock)
                ledger_services.wake_sequencer()
        except Refused as error:
            if error.code == "enrol_bad_mac":
                with tenant_transaction(tenant):
                    estate.count_wrong_mac(tenant=tenant, code_id=code_id, clock=clock)
            raise
        # The leaf's index is part of the receipt; the sequencer needs a moment to give it.
        if enrolled.ledger_entry:
            ledger.wait_covered(tenant, enrolled.ledger_entry, LEDGER_WAIT_S)
        with tenant_transaction(tenant):
            return self._receipt(enrolled)

    def _receipt(self, enrolled: estate.Enrolled) -> dict[str, Json]:
        device = enrolled.device
        documents = automation.documents(device.tenant)
        checkpoint = ledger.checkpoint(device.tenant)
        proven = ledger.tlog_proof(device.tenant, enrolled.ledger_entry) if enrolled.ledger_entry else None
        keys: dict[str, Json] = {
            "server": [key.hex() for key in automation.public_keys("server")],
            "reply": [self._reply_public.hex()],
            "ledger": [{"origin": key.origin, "vkey": str(key.vkey)} for key in ledger.log_vkeys(device.tenant)],
        }
        return {
            "device": to_base32(device.id),
            "tenant": to_base32(device.tenant),
            "state": device.state,
            "roots": documents["roots"],
            "policy": documents["policy"],
            "keys": keys,
            "checkpoint": checkpoint.note.decode() if checkpoint is not None else "",
            "ledger_index": proven.seq if proven is not None else -1,
            "poll_s": POLL_S,
        }

    def _remember(self, code_id: str, nonce: str, url: str) -> None:
        self._urls[code_id, nonce] = url
        while len(self._urls) > _HELLOS_REMEMBERED:
            self._urls.popitem(last=False)

    def _url_of(self, body: Mapping[str, object], incoming: Incoming) -> str:
        known = self._urls.get((str(body.get("id")), str(body.get("na"))))
        return known or f"{'https' if incoming.is_tls else 'http'}://{incoming.headers.get('host', '')}"

    def _spki(self, incoming: Incoming) -> str:
        if not incoming.is_tls:
            return enrol.NO_TLS
        return (self._tls_folder / "server.spki").read_text(encoding="ascii").strip()


def root_fingerprint(tenant: UUID) -> str:
    """Return the hash of the tenant's first root, or 64 zeros before the ceremony."""
    roots = automation.documents(tenant)["roots"]
    first = roots[0] if isinstance(roots, list) and roots else None
    return hashlib.sha256(dsse.from_json(first).payload).hexdigest() if first is not None else enrol.NO_ROOT


def _bind_code(code_id: str) -> UUID:
    home = routes.code_home(code_id)
    if home is None:
        raise Refused(CodeReason.VOID, "This enrolment code is not valid; make a new one.")
    bind(home.tenant)
    return home.tenant


def _join_of(body: Mapping[str, object], url: str) -> estate.Join:
    keys, proofs = fields.record(body, "keys"), fields.record(body, "proofs")
    return estate.Join(
        code_id=fields.text(body, "id"),
        agent_nonce=fields.text(body, "na"),
        server_nonce=fields.text(body, "ns"),
        url=url,
        mac=fields.text(body, "mac"),
        keys={purpose: fields.from_hex(keys, purpose) for purpose in enrol.PURPOSES},
        proofs={purpose: fields.from_base64(proofs, purpose) for purpose in enrol.PURPOSES},
        machine=_machine(fields.record(body, "machine")),
        has_helper=body.get("helper") is True,
        version=fields.text(body, "version", length_max=40),
    )


def _machine(value: Mapping[str, object]) -> estate.Machine:
    macs = value.get("macs")
    return estate.Machine(
        machine_id_hash=fields.text(value, "machine_id_hash", length_max=64),
        hostname=fields.text(value, "hostname", length_max=253) or "unnamed",
        serial=_optional(value, "serial", 120),
        board_uuid=_optional(value, "board_uuid", 60),
        macs=tuple(str(mac)[:17] for mac in macs[:64]) if isinstance(macs, list) else (),
        boot_id=_optional(value, "boot_id", 40),
    )


def _optional(value: Mapping[str, object], field: str, length_max: int) -> str:
    found = value.get(field)
    return found[:length_max] if isinstance(found, str) else ""
