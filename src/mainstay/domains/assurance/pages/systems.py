"""Systems that have no agent: what people entered or imported about them, and the import with its preview."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows
from mainstay.domains.assurance import queries, services
from mainstay.ui.lists import list_page
from mainstay.ui.lists.viewer import actor_of

SYSTEMS = queries.SYSTEMS
TEXT_MAX = 1_000_000
_TEMPLATE = "assurance/systems.html"


class ImportForm(forms.Form):
    """A table of systems, pasted."""

    text = forms.CharField(
        label="Systems as CSV", widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}), max_length=TEXT_MAX, strip=False,
        help_text="The first row names the columns; name is needed. Nothing is written before you have seen what would change.",
    )  # fmt: skip


def systems(request: HttpRequest) -> HttpResponse:
    """Show what is known of systems without an agent."""
    form = ImportForm() if allows(actor_of(request), "assurance.system.import") else None
    return list_page(request, SYSTEMS, template=_TEMPLATE, context={"form": form})


@require_POST
def load(request: Request) -> HttpResponse:
    """Show what an import would do; with `confirm`, the digest of that preview, do it."""
    form, confirm = ImportForm(request.POST), request.POST.get("confirm", "")
    if not form.is_valid():
        return _shown(request, {"form": form}, 422)
    text = form.cleaned_data["text"]
    preview = services.import_systems(actor=request.actor, text=text, confirm=confirm, clock=request.clock)
    if preview.is_done:
        messages.success(request, "The systems are in. The next audit counts them.")
        return redirect("assurance:systems")
    return _shown(request, {"form": form, "preview": preview, "text": text}, 422 if preview.faults else 200)


def _shown(request: Request, context: dict[str, object], status: int) -> HttpResponse:
    answer = list_page(request, SYSTEMS, template=_TEMPLATE, context=context)
    answer.status_code = status
    return answer
