"""The System Audit: the newest answer for each scope, one audit part by part, two audits beside each other, and its forms."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows, require
from mainstay.domains.assurance import queries, services
from mainstay.domains.assurance.models import AuditRun, Finding
from mainstay.domains.assurance.rules.document import PARTS, compose, compose_part
from mainstay.domains.assurance.rules.document.answer import score_tone
from mainstay.domains.assurance.rules.document.findings import CHANGES, severity_tag
from mainstay.domains.assurance.rules.document.words import (
    Block,
    blocks_of,
    code,
    column,
    minutes,
    table,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import Json, JsonObject
from mainstay.ui import documents
from mainstay.ui.today import NeedsYou

RUNS = queries.RUNS
WINDOWS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
SCOPES_MAX = 300
FINDINGS_SHOWN_MAX = 60
NEEDS_MAX = 5
CRITICAL = 1


class StartForm(forms.Form):
    """What to audit, and how far to look back."""

    scope = forms.ChoiceField(label="What to look at")
    window_days = forms.ChoiceField(label="Look back", choices=WINDOWS, initial="30", help_text="For alerts, crashes and repeated work.")

    def __init__(self, *args: object, scopes: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # Django's own arguments pass through
        self.fields["scope"] = forms.ChoiceField(label="What to look at", choices=scopes)


@dataclass(frozen=True)
class Standing:
    """The newest audit of one scope, with how it moved since the one before."""

    run: AuditRun
    tone: str
    moved: int | None

    @property
    def fell(self) -> int:
        return -(self.moved or 0)


@require_GET
def overview(request: Request) -> HttpResponse:
    """Show the newest answer of each scope, or that the first one is coming."""
    require(request.actor, "assurance.audit.list")
    standings = _standings(request.actor)
    context = {
        "standings": standings,
        "devices": estate.devices(request.actor.readable).count(),
        "form": StartForm(scopes=_scopes(request.actor)) if allows(request.actor, "assurance.audit.start") else None,
    }
    return render(request, "assurance/audit.html", context)


@require_POST
def start(request: Request) -> HttpResponse:
    form = StartForm(request.POST, scopes=_scopes(request.actor))
    if not form.is_valid():
        context = {"standings": _standings(request.actor), "form": form, "devices": estate.devices(request.actor.readable).count()}
        return render(request, "assurance/audit.html", context, status=422)
    kind, _, scope = form.cleaned_data["scope"].partition(":")
    made = services.start_audit(
        actor=request.actor,
        kind=kind,
        scope_id=UUID(scope) if scope else None,
        window_days=int(form.cleaned_data["window_days"]),
        clock=request.clock,
    )
    return redirect("assurance:run", audit_id=made.id)


@require_GET
def run(request: Request, audit_id: UUID, part: str = "answer") -> HttpResponse:
    """Show one part of an audit."""
    require(request.actor, "assurance.audit.read")
    found = queries.run(request.actor, audit_id)
    titles = {name: title for name, title, _ in PARTS}
    if part not in titles:
        raise NotFound("assurance.part_unknown", f"An audit has no part called {part[:40]!r}.")
    report = queries.report(request.actor, audit_id)
    blocks = _findings_in_short(report) if part == "findings" else compose_part(report, part)
    context = {
        "run": found,
        "report": report,
        "part": part,
        "part_title": titles[part],
        "tabs": [(name, name.capitalize(), _address(found.id, name), _count(report, name)) for name in titles],
        "blocks": documents.linked(blocks, _linker(request.actor, found)),
        "newest": _newer(request.actor, found),
        "may_render": allows(request.actor, "assurance.audit.render"),
        "may_start": allows(request.actor, "assurance.audit.start"),
        "again": f"{found.kind}:{'' if found.kind == 'client' else found.scope_id}",
        "left_out": max(0, found.findings_open - FINDINGS_SHOWN_MAX) if part == "findings" else 0,
    }
    return render(request, "assurance/run.html", context)


@require_GET
def report_json(request: Request, audit_id: UUID) -> HttpResponse:
    """Hand out exactly the bytes whose hash is in the ledger."""
    require(request.actor, "assurance.audit.read")
    found = queries.run(request.actor, audit_id)
    return _file(queries.report_bytes(request.actor, audit_id), "application/json", found, "json")


@require_GET
def findings_csv(request: Request, audit_id: UUID) -> HttpResponse:
    """Hand out the findings as a table; no cell can begin a formula."""
    require(request.actor, "assurance.audit.read")
    found = queries.run(request.actor, audit_id)
    return _file(queries.findings_csv(request.actor, audit_id).encode("utf-8-sig"), "text/csv; charset=utf-8", found, "csv")


@require_GET
def report_pdf(request: Request, audit_id: UUID) -> HttpResponse:
    """Hand out the PDF, drawn from the report: the same bytes each time."""
    require(request.actor, "assurance.audit.read")
    found = queries.run(request.actor, audit_id)
    return _file(pdf_of(queries.report(request.actor, audit_id), found.sha256), "application/pdf", found, "pdf")


@require_POST
def render_pdf(request: Request, audit_id: UUID) -> HttpResponse:
    """Draw the PDF and put its hash into the ledger, then lead to it."""
    record_pdf(request.actor, audit_id, request.clock)
    return redirect("assurance:run-pdf", audit_id=audit_id)


@require_GET
def compare(request: Request, audit_id: UUID, other_id: UUID) -> HttpResponse:
    """Show what changed between two audits."""
    require(request.actor, "assurance.audit.read")
    new, old = queries.run(request.actor, audit_id), queries.run(request.actor, other_id)
    changes = queries.compare(request.actor, old.id, new.id)
    titles = {one["id"]: one for run_id in (old.id, new.id) for one in queries.report(request.actor, run_id)["findings"]}
    ids = _finding_ids(request.actor, new) | _finding_ids(request.actor, old)
    kinds = (("new", "New", "critical"), ("returned", "Back again", "warning"), ("changed", "Changed", "info"), ("fixed", "Fixed", "ok"))
    groups = [(name, tone, [(titles[key], ids.get(key)) for key in changes[kind] if key in titles]) for kind, name, tone in kinds]
    context = {
        "new": new,
        "old": old,
        "groups": groups,
        "others": queries.runs(request.actor).filter(kind=new.kind, scope_id=new.scope_id)[:20],
    }
    return render(request, "assurance/compare.html", context)


def record_pdf(actor: Actor, audit_id: UUID, clock: Clock) -> tuple[bytes, str]:
    """Draw the PDF, note its hash in the ledger; return bytes and hash."""
    require(actor, "assurance.audit.render")
    data = pdf_of(queries.report(actor, audit_id), queries.run(actor, audit_id).sha256)
    digest = hashlib.sha256(data).hexdigest()
    services.note_rendered(actor=actor, run_id=audit_id, pdf_sha256=digest, renderer=documents.renderer(), clock=clock)
    return data, digest


def pdf_of(report: JsonObject, sha256: str) -> bytes:
    return documents.render_pdf(compose(report, sha256=sha256))


# --- for Today --------------------------------------------------------------------------------------------------------------


def today(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Name the newest audits that hold an open critical finding nobody has taken on."""
    if not allows(actor, "assurance.finding.list"):
        return []
    rows = queries.FINDINGS.rows(actor).filter(state="open", severity=CRITICAL, owner="").order_by("due", "id")[:NEEDS_MAX]
    return [_needs(one) for one in rows]


def _needs(one: Finding) -> NeedsYou:
    return NeedsYou(
        rank="f", title=f"{one.title}: {one.scope_name}", text=one.seen,
        url=reverse("assurance:finding", kwargs={"finding_id": one.id}),
        label="Look at it", at=one.first_seen, tone="critical", why="A critical finding that nobody has taken on.", of=one.id,
    )  # fmt: skip


# --- parts of the page --------------------------------------------------------------------------------------------------------


def _standings(actor: Actor) -> list[Standing]:
    """The newest run of each scope, clients first; each with the one before it."""
    newest: dict[tuple[str, UUID], AuditRun] = {}
    before: dict[tuple[str, UUID], AuditRun] = {}
    for one in queries.runs(actor).order_by("-as_of", "-id")[:SCOPES_MAX]:
        key = (one.kind, one.scope_id)
        if key not in newest:
            newest[key] = one
        else:
            before.setdefault(key, one)
    order = {"client": 0, "site": 1, "device": 2}
    runs = sorted(newest.items(), key=lambda item: (order[item[0][0]], item[1].scope_name, str(item[1].id)))
    return [Standing(one, _tone(one), _moved(one, before.get(key))) for key, one in runs]


def _tone(one: AuditRun) -> str:
    return "unknown" if one.score is None else score_tone(one.score)


def _moved(one: AuditRun, before: AuditRun | None) -> int | None:
    return one.score - before.score if before and one.score is not None and before.score is not None else None


def _scopes(actor: Actor) -> list[tuple[str, str]]:
    devices = estate.devices([actor.tenant]).order_by("name", "id")[:SCOPES_MAX]
    return [("client:", "Everything here"), *((f"device:{one.id}", one.name) for one in devices)]


def _newer(actor: Actor, found: AuditRun) -> AuditRun | None:
    newest = queries.latest(actor, found.kind, found.scope_id)
    return newest if newest and newest.id != found.id and newest.as_of > found.as_of else None


def _address(audit_id: UUID, part: str) -> str:
    if part == "answer":
        return reverse("assurance:run", kwargs={"audit_id": audit_id})
    return reverse("assurance:run-part", kwargs={"audit_id": audit_id, "part": part})


def _count(report: JsonObject, part: str) -> int | None:
    return len(blocks_of(report[part])) if part in ("findings", "automation", "roadmap") else None


def _finding_ids(actor: Actor, found: AuditRun) -> dict[str, UUID]:
    return {row.finding.key: row.finding_id for row in queries.findings_of(actor, found.id)}


def _linker(actor: Actor, found: AuditRun) -> Callable[[str], str]:
    """A reference to a finding leads to its page, one to a step leads into the roadmap."""
    ids = _finding_ids(actor, found)

    def address(ref: str) -> str:
        if ref in ids:
            return reverse("assurance:finding", kwargs={"finding_id": ids[ref]})
        return f"{_address(found.id, 'roadmap')}#{ref}" if ref.startswith("r:") else ""

    return address


def _findings_in_short(report: JsonObject) -> list[Block]:
    """On the screen each finding has a page of its own, so the part is a table that leads there."""
    found = blocks_of(report["findings"])
    columns = [column(label) for label in ("Finding", "Severity", "Where", "Change", "Effort", "Check")]
    if not found:
        return compose_part(report, "findings")
    return [compose_part(report, "findings")[0], table(columns, [_finding_row(one) for one in found[:FINDINGS_SHOWN_MAX]])]


def _finding_row(one: JsonObject) -> list[Json]:
    subjects = view(one["subjects"])
    where = f"{text(subjects['count'])} of {text(subjects['of'])}" if whole(subjects["of"]) > 1 else "".join(texts_of(subjects["list"])[:1])
    return [
        {"text": text(one["title"]), "ref": text(one["id"])},
        severity_tag(text(one["severity"])),
        where,
        CHANGES.get(text(one["change"]), text(one["change"])).partition(" ")[0],
        minutes(whole(one["effort_min"])),
        code(text(one["check"])),
    ]


def _file(data: bytes, kind: str, found: AuditRun, ending: str) -> HttpResponse:
    name = f"system-audit-{slugify(found.scope_name) or 'scope'}-{found.as_of:%Y-%m-%d}.{ending}"
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
