"""The ledger for people: entries, the newest checkpoint, a check by the server, and the way to check without it."""

import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from mainstay.console.lists import LEDGER, OUT_TONES, OUTCOMES, entries
from mainstay.core.access.services import allows, require
from mainstay.core.ledger import packs
from mainstay.core.ledger import queries as ledger
from mainstay.core.ledger import services as records
from mainstay.core.ledger.entries import Erasable
from mainstay.core.ledger.verification import Report, verify_log
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import Json
from mainstay.ui.lists import list_page
from mainstay.ui.lists.viewer import actor_of, clock_of

# Above this size the page checks the newest leaves from stored tiles; the offline verifier checks all of them.
FULL_CHECK_LEAVES_MAX = 200_000
CHUNK_BYTES = 256 * 1024
_MEMORY_BYTES_MAX = 8 * 1024 * 1024


def ledger_of(actor: Actor) -> dict[str, object]:
    """Return what the head of the ledger page shows."""
    return {
        "log": ledger.status(actor.tenant),
        "may_verify": allows(actor, "ledger.log.verify"),
        "may_export": allows(actor, "ledger.pack.export"),
    }


def show(request: HttpRequest) -> HttpResponse:
    """The list of entries below the state of the log."""
    return list_page(request, LEDGER, template="console/ledger.html", context=ledger_of(actor_of(request)))


def entry(request: HttpRequest, entry_id: int) -> HttpResponse:
    """One entry: its header, its body for those who may read it, its proof under the newest checkpoint."""
    actor = actor_of(request)
    require(actor, "ledger.entry.read")
    found = entries(actor).filter(id=entry_id).first()
    if found is None:
        raise NotFound("ledger.entry_unknown", "There is no such entry.")
    context = {
        "entry": found,
        "who": found.who,
        "outcome": OUTCOMES[found.out],
        "tone": OUT_TONES[found.out],
        "body": ledger.body_of(actor.tenant, entry_id),
        "proof": ledger.tlog_proof(actor.tenant, entry_id),
    }
    return render(request, "console/ledger_entry.html", context)


def verify(request: HttpRequest) -> HttpResponse:
    """Let the server check its own log, and say how to check it without trusting the server."""
    report, is_whole = check(actor_of(request))
    return render(request, "console/ledger_report.html", {"report": report, "is_whole": is_whole, "at": clock_of(request).now()})


def check(actor: Actor) -> tuple[Report, bool]:
    """Check the tenant's log, all of it up to 200,000 leaves, else the newest. Returns the report and whether it was all."""
    require(actor, "ledger.log.verify")
    head = ledger.checkpoint(actor.tenant)
    is_whole = head is None or head.size <= FULL_CHECK_LEAVES_MAX
    return verify_log(actor.tenant, last=None if is_whole else FULL_CHECK_LEAVES_MAX), is_whole


def export(request: HttpRequest) -> StreamingHttpResponse:
    """Download the evidence pack that `mainstay-verify` checks on any machine."""
    return pack_response(actor_of(request), clock_of(request))


def pack_response(actor: Actor, clock: Clock) -> StreamingHttpResponse:
    """Write the pack into a temporary file and send it; that it left is itself an entry."""
    require(actor, "ledger.pack.export")
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX))  # noqa: SIM115 - closed when it was sent
    summary = packs.export_pack(actor.tenant, file)
    body: dict[str, Json | Erasable] = {"begin": summary.begin, "end": summary.end, "size": summary.size, "root": summary.root_hex}
    records.record(actor, "ledger.pack.exported", _pack_id(summary), clock=clock, body=body)
    file.seek(0)
    answer = StreamingHttpResponse(_chunks(file), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="mainstay-evidence-{summary.size}.zip"'
    # Chunk by chunk each would become a gzip member of its own, and most readers stop after the first.
    answer["Content-Encoding"] = "identity"
    return answer


def _pack_id(summary: packs.PackSummary) -> UUID:
    return UUID(hex=summary.root_hex[:32])


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
