"""The list of devices, declared once for page, export, API and command line."""

from django.urls import reverse

from mainstay.domains.estate.models import Device, DeviceState, Lifecycle
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

STATE_TONES = {"pending": "info", "active": "ok", "quarantined": "warning", "revoked": "critical", "left": "neutral"}

DEVICES: ListSpec = ListSpec(
    name="estate.devices",
    title="Devices",
    noun="device",
    permission="estate.device.read",
    rows=lambda actor: Device.objects.filter(tenant__in=actor.readable),
    columns=(
        Column("name", "Name", link=True),
        Column("state", "State", Kind.CHOICE, choices=dict(DeviceState.choices), tones=STATE_TONES),
        Column("seen", "Last seen", Kind.TIME, field="last_seen_at"),
        Column("os", "System", field="os_name"),
        Column("agent", "Agent", field="agent_version"),
        Column("serial", "Serial number", shown=False),
        Column("lifecycle", "Lifecycle", Kind.CHOICE, choices=dict(Lifecycle.choices), shown=False),
        Column("enrolled", "Enrolled", Kind.TIME, field="first_enrolled_at", shown=False),
    ),
    sort="name",
    search=("name", "os_name", "serial"),
    link=lambda row: reverse("estate:device", kwargs={"device_id": row.id}),
    views=(
        View("Waiting for approval", "state=pending"),
        View("Not seen for an hour", "seen__lt=-1h&sort=seen"),
        View("New", "sort=-enrolled"),
    ),
    empty=Empty("No device yet.", "Make an enrolment code, then run the join line on the machine.", "Add a device", "estate:device-add"),
    topic="device",
)
