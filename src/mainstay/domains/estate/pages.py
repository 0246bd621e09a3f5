"""Pages of the estate: the list of devices, one device, and the acts on it.

Owns: parsing and rendering. Does not own: any decision (services, rules).
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_POST

from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows, require
from mainstay.domains.estate import queries, services
from mainstay.domains.estate.models import Device, DeviceState, Package
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Refused
from mainstay.ui.lists import BulkAct, BulkField, Done, list_urls
from mainstay.ui.palette import Found
from mainstay.ui.today import Change, NeedsYou

PACKAGES_SHOWN = 500
NAMED_MAX = 20
JOINING_MAX = 3
CHANGES_MAX = 12
CHARTS = (
    ("cpu", "Processor", "%", "cpu"),
    ("memory", "Memory available", "%", "memory"),
    ("filesystems", "Free space", "%", "disk"),
    ("load", "Load", "", "bolt"),
    ("network", "Network", "bytes/s", "network"),
    ("disk", "Disk traffic", "bytes/s", "disk"),
)
# What an agent says of its own surroundings, in words.
DIAGNOSES = {
    "no_root": "The agent runs without root rights; its root helper does what needs them.",
    "actions_without_cgroup_limits": "Actions run without limits of memory and processor: this system has no delegated control group.",
    "actions_without_private_filesystem": "Actions see the whole file system: this system offers no private view of it.",
}
TABS = (("overview", "Overview"), ("software", "Software"), ("network", "Network"), ("history", "History"))
STATE_TONES = queries.STATE_TONES


class CodeForm(forms.Form):
    """An enrolment code."""

    uses = forms.IntegerField(label="How many devices may use it", min_value=1, max_value=services.USES_MAX, initial=1)
    hours = forms.IntegerField(label="Valid for hours", min_value=1, max_value=24, initial=1)
    needs_approval = forms.BooleanField(label="Each device waits for approval", required=False)


class WatchForm(forms.Form):
    """The units that a device watches besides those of its policy."""

    units = forms.CharField(label="Units, one in each line", widget=forms.Textarea(attrs={"rows": 6}), required=False, max_length=20_000)


def _approve(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    changed = services.approve_device(actor=actor, device_id=row_id, clock=clock)
    return Done.DONE if changed else Done.UNCHANGED


def _quarantine(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    # Undo ends a quarantine by making the device active: one that was never approved must not become so on that way.
    if queries.device(actor.tenant, row_id).state == DeviceState.PENDING:
        raise Refused("estate.device_not_active", "It still waits for approval.")
    changed = services.quarantine_device(actor=actor, device_id=row_id, reason=values["reason"], clock=clock)
    return Done.DONE if changed else Done.UNCHANGED


def _release(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    return Done.DONE if services.release_device(actor=actor, device_id=row_id, clock=clock) else Done.UNCHANGED


DEVICES = queries.DEVICES.with_bulk(
    BulkAct(
        "approve", "Approve", "estate.device.approve", run=_approve, key="a",
        effect="Each device counts from now on: its facts and samples are taken, its alerts open tickets.",
    ),
    BulkAct(
        "quarantine", "Quarantine", "estate.device.quarantine", run=_quarantine, fields=(BulkField("reason", "Reason"),), icon="shield",
        effect="Each device only observes until its quarantine ends.", undo="release",
    ),
    BulkAct(
        "release", "End quarantine", "estate.device.release", run=_release, icon="undo", effect="Each device may be asked to act again.",
    ),
)  # fmt: skip
LISTS = (DEVICES,)


@require_GET
def device(request: Request, device_id: UUID, tab: str = "overview") -> HttpResponse:
    """Show one device."""
    found = queries.find_device(request.actor.readable, device_id)
    require(request.actor, "estate.device.read", found.tenant)
    panel = queries.device_panel(found.tenant, found.id, at=request.clock.now())
    context: dict[str, object] = {"panel": panel, "device": panel.device, "tab": tab, "tabs": _tabs(found), "charts": CHARTS}
    context |= {"state_tone": STATE_TONES[found.state], "acts": _acts(request.actor, panel.device), "groups": panel.groups}
    context["diag"] = [DIAGNOSES.get(line, line.replace("_", " ")) for line in panel.device.diag or []]
    return render(request, "estate/device.html", {**context, **_tab_context(found, tab)})


@require_POST
def approve(request: Request, device_id: UUID) -> HttpResponse:
    services.approve_device(actor=request.actor, device_id=device_id, clock=request.clock)
    messages.success(request, "The device is approved.")
    return redirect("estate:device", device_id=device_id)


@require_POST
def quarantine(request: Request, device_id: UUID) -> HttpResponse:
    services.quarantine_device(actor=request.actor, device_id=device_id, reason="person", clock=request.clock)
    messages.success(request, "The device is quarantined: it only observes.")
    return redirect("estate:device", device_id=device_id)


@require_POST
def release(request: Request, device_id: UUID) -> HttpResponse:
    services.release_device(actor=request.actor, device_id=device_id, clock=request.clock)
    messages.success(request, "The quarantine is over.")
    return redirect("estate:device", device_id=device_id)


@require_POST
def revoke(request: Request, device_id: UUID) -> HttpResponse:
    services.revoke_device(actor=request.actor, device_id=device_id, reason="person", clock=request.clock)
    messages.success(request, "The device is revoked; its keys no longer count.")
    return redirect("estate:device", device_id=device_id)


def watch(request: Request, device_id: UUID) -> HttpResponse:
    """Choose the units that a device watches."""
    found = queries.find_device(request.actor.readable, device_id)
    require(request.actor, "estate.device.read", found.tenant)
    form = WatchForm(request.POST or None, initial={"units": "\n".join(found.watch)})
    if request.method == "POST" and form.is_valid():
        units = form.cleaned_data["units"].splitlines()
        services.set_watch(actor=request.actor, device_id=device_id, units=units, clock=request.clock)
        return redirect("estate:device", device_id=device_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "estate/watch.html", {"device": found, "form": form}, status=status)


def add(request: Request) -> HttpResponse:
    """Make an enrolment code and show it, once, with the line to run on the machine."""
    require(request.actor, "estate.device.read")
    form = CodeForm(request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        made = services.create_enrol_token(
            actor=request.actor, clock=request.clock, uses=values["uses"], valid_for_s=values["hours"] * 3600,
            needs_approval=values["needs_approval"],
        )  # fmt: skip
    status = 422 if request.method == "POST" and made is None else 200
    join_line = f"mainstay-agent join {_join_address(request)} --code {made.code}" if made else ""
    response = render(request, "estate/add.html", {"form": form, "made": made, "join_line": join_line}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _join_address(request: Request) -> str:
    """Return the address that another machine can reach; without the TLS listener that is only this machine's own."""
    layout = settings.LAYOUT
    return layout.lan_url if layout.has_lan else f"{request.scheme}://{request.get_host()}"


def today(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Name the devices that wait for a decision. Many that wish to join are one row: they are approved together."""
    rows = queries.devices(actor.readable).order_by("first_enrolled_at", "id")
    joining, kept_apart = rows.filter(state=DeviceState.PENDING), rows.filter(state=DeviceState.QUARANTINED)[:NAMED_MAX]
    many = joining.count() if len(joining[: JOINING_MAX + 1]) > JOINING_MAX else 0
    return [
        *([_joining(joining[0], many)] if many else [_needs(actor, one) for one in joining]),
        *(_needs(actor, one) for one in kept_apart),
    ]


def search(actor: Actor, text: str, limit: int) -> list[Found]:
    """Find devices by name or serial number."""
    rows = queries.devices(actor.readable).filter(name__icontains=text).order_by("name")[:limit]
    return [Found(title=one.name, kind="device", url=_address(one), hint=one.os_name) for one in rows]


def _needs(actor: Actor, one: Device) -> NeedsYou:
    is_pending = one.state == DeviceState.PENDING
    title = f"{one.name} wants to join" if is_pending else f"{one.name} is quarantined"
    text = "It made itself known with a valid code and waits for approval." if is_pending else f"Reason: {one.state_reason}."
    here = is_pending and one.tenant == actor.tenant and allows(actor, "estate.device.approve")
    return NeedsYou(
        rank="d" if is_pending else "b", title=title, text=text, url=_address(one), label="Look at it", at=one.first_enrolled_at,
        tone="info" if is_pending else "warning", why=one.state_reason,
        act=reverse("estate:device-approve", kwargs={"device_id": one.id}) if here else "", act_label="Approve" if here else "",
    )  # fmt: skip


def _joining(first: Device, many: int) -> NeedsYou:
    url = f"{reverse('estate:devices')}?state={DeviceState.PENDING}"
    text = "They made themselves known with valid codes. Look at the list, select, approve them together."
    return NeedsYou("d", f"{many} devices want to join", text, url, "Look at them", first.first_enrolled_at, "info")


def changes(actor: Actor, since: datetime) -> list[Change]:
    """Name what changed on the devices since an instant, by device and part of the inventory."""
    return [
        Change(
            title=one.device,
            text=one.group.replace("_", " "),
            url=reverse("estate:device-history", kwargs={"device_id": one.device_id}),
            at=one.at,
            count=one.count,
        )
        for one in queries.changes_since(actor.readable, since, limit=CHANGES_MAX)
    ]


def _address(one: Device) -> str:
    return reverse("estate:device", kwargs={"device_id": one.id})


def _tabs(one: Device) -> list[tuple[str, str, str, int | None]]:
    base = _address(one)
    return [(key, label, base if key == "overview" else f"{base}{key}/", None) for key, label in TABS]


def _acts(actor: Actor, one: Device) -> dict[str, bool]:
    wanted = {
        "approve": one.state == DeviceState.PENDING,
        "quarantine": one.state == DeviceState.ACTIVE,
        "release": one.state == DeviceState.QUARANTINED,
        "revoke": one.state not in (DeviceState.REVOKED, DeviceState.LEFT),
        "watch": one.state == DeviceState.ACTIVE,
    }
    return {act: applies and allows(actor, f"estate.device.{act}") for act, applies in wanted.items()}


def _tab_context(one: Device, tab: str) -> dict[str, object]:
    if tab == "software":
        return {"packages": Package.objects.filter(tenant=one.tenant, device=one).order_by("name", "arch")[:PACKAGES_SHOWN]}
    if tab == "history":
        return {"changes": queries.changes(one.tenant, one.id), "history": queries.history(one.tenant, one.id)}
    return {}


urlpatterns = [
    *list_urls("devices/", DEVICES, name="devices"),
    path("devices/add/", add, name="device-add"),
    path("devices/<uuid:device_id>/", device, name="device"),
    path("devices/<uuid:device_id>/software/", device, {"tab": "software"}, name="device-software"),
    path("devices/<uuid:device_id>/network/", device, {"tab": "network"}, name="device-network"),
    path("devices/<uuid:device_id>/history/", device, {"tab": "history"}, name="device-history"),
    path("devices/<uuid:device_id>/approve/", approve, name="device-approve"),
    path("devices/<uuid:device_id>/quarantine/", quarantine, name="device-quarantine"),
    path("devices/<uuid:device_id>/release/", release, name="device-release"),
    path("devices/<uuid:device_id>/revoke/", revoke, name="device-revoke"),
    path("devices/<uuid:device_id>/watch/", watch, name="device-watch"),
]
