"""What a device sends besides its polls: numbered batches of one stream, each stored before it is acknowledged.

Source: endpoint page, rule X5. Invariant: a batch counts once; one after a hole is refused with the number that is expected.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from mainstay.connectors.agent.intake import fields
from mainstay.connectors.agent.intake.gate import Caller
from mainstay.domains.automation import services as automation
from mainstay.domains.estate import services as estate
from mainstay.domains.estate.models import UnitState
from mainstay.domains.telemetry import services as telemetry
from mainstay.domains.telemetry.services.marks import Turn
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid
from mainstay.kernel.json import Json

DURABLE_WITHIN_S = 20.0
RESULTS_MAX = 50


def ingest(caller: Caller, body: Mapping[str, object], clock: Clock) -> dict[str, Json]:
    """Store one batch of a stream and return how far the stream is stored."""
    stream, epoch = fields.text(body, "stream", length_max=20), fields.text(body, "epoch", length_max=64)
    seq = fields.whole(body, "seq", least=1)
    store = STREAMS.get(stream)
    if store is None:
        raise Invalid("bad_request", "There is no such stream.", pointer="/stream")
    mark = telemetry.judge_mark(caller.tenant, caller.device.id, stream, epoch, seq)
    if mark.turn is Turn.DUPLICATE:
        return {"ack_through": mark.last_seq}
    if mark.turn is Turn.OUT_OF_ORDER:
        raise Conflict("out_of_order", "A batch of this stream is missing before this one.", expected=mark.expected)
    extra = store(caller, body.get("data"), clock)
    through = telemetry.advance_mark(actor=caller.actor, sender=caller.device.id, stream=stream, epoch=epoch, seq=seq, clock=clock)
    return {"ack_through": through, **extra}


def results(caller: Caller, body: Mapping[str, object], clock: Clock) -> dict[str, Json]:
    """Store device-signed results. Errors: Conflict("out_of_order", expected) for a link that comes before its predecessor."""
    sent = fields.records(body, "results", count_max=RESULTS_MAX)
    try:
        # What the device signed is judged by automation, which also knows the key.
        through = automation.accept_results(actor=caller.actor, device_id=caller.device.id, results=sent, clock=clock)  # type: ignore[arg-type] # parsed JSON
    except Invalid as error:
        if error.code == "automation.result_chain":
            raise Conflict("out_of_order", error.message, expected=error.fields.get("expected", 0)) from error
        raise
    return {"ack_through": through}


def store_samples(caller: Caller, data: object, clock: Clock) -> dict[str, Json]:
    """Store a batch of samples; a pending device's are not kept."""
    if caller.is_pending or data is None:
        return {}
    batch = telemetry.parse_batch(data)
    spool = telemetry.recorder().spool
    stored = telemetry.store_batch(actor=caller.actor, sender=caller.device.id, batch=batch, spool=spool, clock=clock)
    if stored.need_dict:
        oldest = min(batch.times_ms, default=0)
        return {"need_dict": True, "resend_from_ms": oldest}
    if stored.durable is not None:
        stored.durable.result(DURABLE_WITHIN_S)
    return {"refused": stored.refused} if stored.refused else {}


def store_states(caller: Caller, data: object, clock: Clock) -> dict[str, Json]:
    """Store states of watched units."""
    reports = [_unit(item) for item in _items(data, estate.UNITS_MAX)]
    if reports and not caller.is_pending:
        estate.record_unit_states(actor=caller.actor, device_id=caller.device.id, states=reports, clock=clock)
    return {}


def _facts(caller: Caller, data: object, clock: Clock) -> dict[str, Json]:
    groups = fields.record(data if isinstance(data, Mapping) else {}, "groups")
    reports = [_group(name, fields.record(groups, name)) for name in groups]
    estate.store_facts(actor=caller.actor, device_id=caller.device.id, reports=reports, clock=clock)
    return {}


def _logs(caller: Caller, data: object, clock: Clock) -> dict[str, Json]:
    lines = _items(data, telemetry.LOG_LINES_MAX)
    if not caller.is_pending:
        stored = telemetry.store_logs(
            actor=caller.actor, sender=caller.device.id, host=caller.device.name, lines=lines, spool=telemetry.recorder().spool, clock=clock
        )
        if stored.durable is not None:
            stored.durable.result(DURABLE_WITHIN_S)
    return {}


def _gaps(caller: Caller, data: object, clock: Clock) -> dict[str, Json]:
    telemetry.record_gaps(actor=caller.actor, sender=caller.device.id, gaps=_items(data, telemetry.GAPS_MAX))
    return {}


def _unit(item: Mapping[str, object]) -> estate.UnitReport:
    state = fields.text(item, "state")
    if state not in UnitState.State.values:
        raise fields.bad("state", "running, stopped, failed or unknown")
    since, seen = fields.instant(item, "since"), fields.instant(item, "seen")
    return estate.UnitReport(
        fields.text(item, "unit", length_max=200), fields.text(item, "manager", length_max=12), state, _earlier(since, seen), seen,
        fields.text(item, "detail", default="") if isinstance(item.get("detail", ""), str) else "",
    )  # fmt: skip


def _earlier(since: datetime, seen: datetime) -> datetime:
    return min(since, seen)


def _group(name: str, value: Mapping[str, object]) -> estate.GroupReport:
    body = value.get("value")
    if body is not None and not isinstance(body, dict):
        raise fields.bad(name[:40], "an object as value")
    unknown = fields.text(value, "unknown", default="", length_max=40)
    return estate.GroupReport(name, fields.text(value, "sha256", length_max=64), fields.whole(value, "collected_at"), body, unknown)


def _items(data: object, count_max: int) -> Sequence[Mapping[str, object]]:
    return fields.records({"data": data}, "data", count_max=count_max)


_Store = Callable[[Caller, object, Clock], dict[str, Json]]
STREAMS: Mapping[str, _Store] = MappingProxyType(
    {
        "samples": store_samples,
        "backlog": store_samples,
        "states": store_states,
        "facts": _facts,
        "logs": _logs,
        "gaps": _gaps,
    }
)
