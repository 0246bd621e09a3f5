"""Pages of assurance: the System Audit, its findings, and the systems that have no agent.

Owns: parsing and rendering. Does not own: any figure (queries), any decision (services, rules), any word of the report (`rules.document`).
"""

from django.urls import path

from mainstay.domains.assurance.pages import audits, findings, systems
from mainstay.domains.assurance.pages.audits import RUNS, today
from mainstay.domains.assurance.pages.findings import FINDINGS, search
from mainstay.domains.assurance.pages.systems import SYSTEMS
from mainstay.ui.lists import list_urls

LISTS = (RUNS, FINDINGS, SYSTEMS)

_AUDIT, _FINDING = "audits/<uuid:audit_id>/", "findings/<uuid:finding_id>/"
urlpatterns = [
    path("audit/", audits.overview, name="audit"),
    path("audit/start", audits.start, name="audit-start"),
    *list_urls("audits/", RUNS, name="runs"),
    path(_AUDIT, audits.run, name="run"),
    path(f"{_AUDIT}part/<slug:part>/", audits.run, name="run-part"),
    path(f"{_AUDIT}report.json", audits.report_json, name="run-json"),
    path(f"{_AUDIT}findings.csv", audits.findings_csv, name="run-csv"),
    path(f"{_AUDIT}report.pdf", audits.report_pdf, name="run-pdf"),
    path(f"{_AUDIT}render", audits.render_pdf, name="run-render"),
    path(f"{_AUDIT}compare/<uuid:other_id>/", audits.compare, name="run-compare"),
    *list_urls("findings/", FINDINGS, name="findings"),
    path(_FINDING, findings.finding, name="finding"),
    path(f"{_FINDING}accept", findings.accept, name="finding-accept"),
    path(f"{_FINDING}withdraw", findings.withdraw, name="finding-withdraw"),
    path(f"{_FINDING}assign", findings.assign, name="finding-assign"),
    path(f"{_FINDING}ticket", findings.ticket, name="finding-ticket"),
    *list_urls("systems-without-agent/", SYSTEMS, name="systems", view=systems.systems),
    path("systems-without-agent/import", systems.load, name="systems-import"),
]

__all__ = ["LISTS", "search", "today", "urlpatterns"]
