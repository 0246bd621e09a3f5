"""Tickets, what happened to them, and what is particular to incidents."""

from django.db import models
from django.db.models import Q

from mainstay.core.tenancy.models import TenantOwned

KINDS = [("incident", "Incident"), ("request", "Request"), ("problem", "Problem"), ("change", "Change")]
STATUSES = [
    ("new", "New"),
    ("open", "Open"),
    ("waiting", "Waiting"),
    ("resolved", "Resolved"),
    ("closed", "Closed"),
    ("cancelled", "Cancelled"),
    ("merged", "Merged"),
]


class TicketNumber(TenantOwned):
    """The last number given in a tenant. Its row is the lock under which a tenant's incidents are opened."""

    last = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="desk_number_once")]


class Ticket(TenantOwned):
    """The shared core of incidents, requests, problems and changes.

    From `title` to `resolved_at` the columns are a cache of the events; `version` is the ETag of the whole ticket.
    """

    kind = models.CharField(max_length=8, choices=KINDS)
    number = models.BigIntegerField()
    reference = models.CharField(max_length=32)
    source = models.CharField(max_length=8)
    binding = models.ForeignKey("desk.PolicyBinding", models.PROTECT, null=True, related_name="+")
    binding_reason = models.JSONField(default=dict)

    title = models.CharField(max_length=300)
    status = models.CharField(max_length=9, choices=STATUSES)
    waiting_for = models.CharField(max_length=9, blank=True)
    resume_at = models.DateTimeField(null=True)
    impact = models.PositiveSmallIntegerField()
    urgency = models.PositiveSmallIntegerField()
    priority = models.PositiveSmallIntegerField()
    priority_reason = models.CharField(max_length=300, blank=True)
    queue = models.CharField(max_length=60)
    tier = models.PositiveSmallIntegerField(default=1)
    owner = models.CharField(max_length=40, blank=True)
    is_touched = models.BooleanField(default=False)
    resolution_code = models.CharField(max_length=20, blank=True)
    cause_code = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    next_due_at = models.DateTimeField(null=True)
    wakes_at = models.DateTimeField(null=True)
    is_breached = models.BooleanField(default=False)
    updated_at = models.DateTimeField()
    evaluated_at = models.DateTimeField()
    last_seq = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="desk_ticket_number_once"),
            models.UniqueConstraint(fields=["tenant", "reference"], name="desk_ticket_reference_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "status", "priority", "id"], name="desk_ticket_status"),
            models.Index(fields=["tenant", "next_due_at", "id"], name="desk_ticket_due"),
            models.Index(fields=["tenant", "owner", "status"], name="desk_ticket_owner"),
            models.Index(fields=["wakes_at"], name="desk_ticket_wakes", condition=Q(wakes_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.title}"


class TicketEvent(TenantOwned):
    """One thing that happened. Never changed. `at` is when it took effect, `recorded_at` when the server learned of it."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="events")
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    type = models.CharField(max_length=20)
    actor = models.CharField(max_length=40)
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "ticket", "seq"], name="desk_event_seq_once")]
        ordering = ["ticket", "seq"]

    def __str__(self) -> str:
        return f"{self.ticket_id} {self.seq} {self.type}"


class IncidentRecord(TenantOwned):
    """What only incidents have. `cause_key` is the fingerprint of the root cause; `healing_run` holds it for automation."""

    ticket = models.OneToOneField(Ticket, models.PROTECT, related_name="incident")
    is_major = models.BooleanField(default=False)
    detected_at = models.DateTimeField()
    cause_key = models.CharField(max_length=200)
    device_id = models.UUIDField(null=True)
    rule = models.CharField(max_length=80, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    workaround = models.TextField(blank=True)
    healing_run = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "ticket"], name="desk_incident_once")]
        indexes = [
            models.Index(fields=["tenant", "cause_key", "id"], name="desk_incident_cause"),
            models.Index(fields=["tenant", "device_id", "id"], name="desk_incident_device"),
        ]


class IncidentAlert(TenantOwned):
    """An alert that an incident stands for. Alerts are another domain's rows, hence a bare id."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="alerts")
    alert_id = models.UUIDField()
    fold_id = models.UUIDField(null=True)
    fired_at = models.DateTimeField()
    recovered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "alert_id"], name="desk_incident_alert_once")]
        indexes = [models.Index(fields=["tenant", "fold_id"], name="desk_incident_alert_fold")]
