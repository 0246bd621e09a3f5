"""The API of the ledger: entries, the newest checkpoint, a check by the server, the evidence pack."""

from django.http import HttpRequest, HttpResponseBase
from ninja import Router

from mainstay.console import ledger_pages
from mainstay.console.lists import LEDGER
from mainstay.core.access.services import require
from mainstay.core.ledger import queries as ledger
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import Json
from mainstay.ui.lists import add_list
from mainstay.ui.lists.cells import iso
from mainstay.ui.lists.viewer import actor_of, clock_of

router = Router(tags=["ledger"])
add_list(router, "/entries", LEDGER)


@router.get(
    "/checkpoint",
    operation_id="ledger_checkpoint_read",
    summary="The newest signed checkpoint",
    openapi_extra={"x-permission": "ledger.entry.read"},
)
def read_checkpoint(request: HttpRequest) -> dict[str, Json]:
    """Return the signed note, and the keys that verify it."""
    actor = actor_of(request)
    require(actor, "ledger.entry.read")
    head = ledger.checkpoint(actor.tenant)
    if head is None:
        raise NotFound("ledger.no_checkpoint", "The log has no signed checkpoint yet.")
    keys: list[Json] = [{"origin": key.origin, "vkey": key.vkey} for key in ledger.log_vkeys(actor.tenant)]
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "signed_at": iso(head.signed_at),
        "note": head.note.decode(),
        "keys": keys,
    }


@router.post("/verify", operation_id="ledger_log_verify", summary="Check the log", openapi_extra={"x-permission": "ledger.log.verify"})
def verify(request: HttpRequest) -> dict[str, Json]:
    """Let the server check its own log. Whoever trusts nobody takes the pack and runs `mainstay-verify`."""
    report, is_whole = ledger_pages.check(actor_of(request))
    findings: list[Json] = [{"fault": str(one.fault), "index": one.index, "detail": one.detail} for one in report.findings]
    return {
        "ok": report.ok,
        "origin": report.origin,
        "size": report.size,
        "root": report.root_hex,
        "checked_leaves": report.checked_leaves,
        "checked_bodies": report.checked_bodies,
        "erased_bodies": report.erased_bodies,
        "is_whole": is_whole,
        "findings": findings,
    }


@router.post(
    "/pack",
    operation_id="ledger_pack_export",
    summary="Download the evidence pack",
    response=None,
    openapi_extra={"x-permission": "ledger.pack.export"},
)
def export_pack(request: HttpRequest) -> HttpResponseBase:
    """Return the evidence pack (zip). That it left is itself an entry of the log."""
    return ledger_pages.pack_response(actor_of(request), clock_of(request))
