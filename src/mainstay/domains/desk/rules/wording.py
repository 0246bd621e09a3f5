"""Sentences for what happened to a ticket and for the state of its clocks.

Owns: the words. Does not own: who may read them, or how they look.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.policy import Target
from mainstay.domains.desk.rules.sla import ClockState, Result, State
from mainstay.kernel.json import Json


@dataclass(frozen=True)
class Line:
    """A line of the timeline: what happened, the words that came with it, tone and icon of the design kit."""

    title: str
    text: str = ""
    tone: str = "neutral"
    icon: str = "info"


def line(did: str, data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    """Return the line of an event. labels: names of the actors that it mentions."""
    words = _WORDS.get(did)
    return Line(did.replace("_", " ").capitalize()) if words is None else words(data, labels)


def clock_words(state: ClockState) -> tuple[str, str]:
    """Return tone and word of a clock: a broken promise stays red, whatever came later."""
    if state.result is Result.BREACHED:
        return "critical", "Breached"
    if state.result is Result.OPEN:
        return ("maintenance", "Paused") if state.state is State.PAUSED else ("info", "Running")
    return ("ok", "Met") if state.result is Result.MET else ("neutral", state.result.capitalize())


def clock_name(state: ClockState) -> str:
    """Return the name of a clock, with its number where a ticket has several of the kind, and what became of its target."""
    name = state.clock.replace("_", " ").capitalize()
    number = f" {state.cycle}" if state.cycle > 1 else ""
    return f"{name}{number}{' (superseded)' if state.result is Result.SUPERSEDED else ''}"


def target_text(target: Target) -> str:
    """Return what a clock promises, in the words of a contract."""
    if target.days is None:
        hours, seconds = divmod(target.seconds or 0, 3_600)
        return _count(hours, "business hour") if hours and not seconds else _count((target.seconds or 0) // 60, "business minute")
    return _count(target.days, "working day") + (", until the end of the day" if target.end_of_day else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _created(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    return Line(f"Opened with priority {data.get('priority')}", _text(data, "title"), "warning", "alert-circle")


def _alert(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    titles = {"first_of_its_cause": "An alert fired", "same_cause": "A further alert of the same cause", "recurred": "The alert came back"}
    return Line(titles.get(_text(data, "because"), "An alert fired"), _text(data, "summary"), "critical", "bell")


def _recovered(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    because = {
        "nobody_touched_it": "Nobody had touched the incident, so it is resolved.",
        "somebody_is_on_it": "A person works on the incident and decides whether it is resolved.",
        "other_alert_fires": "Another alert of the incident still fires.",
        "automation_is_on_it": "A run verifies its repair before it decides.",
    }
    return Line("The alert recovered", _text(data, "text") or because.get(_text(data, "because"), ""), "ok", "heart")


def _status(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    status, _, waits_for = _text(data, "to").partition(":")
    if status == "resolved":
        return _resolution(data, labels)
    title = f"Waits for {waits_for.replace('_', ' ')}" if waits_for else f"Now {status}"
    return Line(
        title, _text(data, "reason").replace("_", " "), "maintenance" if waits_for else "info", "clock" if waits_for else "arrow-right"
    )


def _resolution(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    code, cause = _text(data, "resolution").replace("_", " "), _text(data, "cause").replace("_", " ")
    return Line(f"Resolved: {code}", _text(data, "note") or f"Cause: {cause}", "ok", "check")


def _assigned(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    owner = _text(data, "owner")
    return Line(f"Assigned to {labels.get(owner, owner)}" if owner else "Back to its queue", icon="user")


def _message(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    if data.get("side") == "client":
        return Line("The client wrote", _text(data, "text"), "info", "user")
    titles = {"public": "Reply to the client", "co_managed": "Note for both teams"}
    return Line(titles.get(_text(data, "visibility"), "Internal note"), _text(data, "text"), icon="copy")


def _priority(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    return Line(f"Priority {data.get('priority')}", _text(data, "reason").replace("_", " "), "warning", "flag")


def _policy(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    since = "from the original start" if data.get("mode") == "retroactive" else "from now on"
    return Line(f"Targets of priority {data.get('priority')} count {since}", icon="clock")


def _automation(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    tones = {"ok": "ok", "failed": "critical", "refused": "warning"}
    return Line(f"Automation: {_text(data, 'step')}", _text(data, "text"), tones.get(_text(data, "outcome"), "info"), "bolt")


def _released(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    return Line("Automation let go", icon="bolt")


def _handed_over(data: Mapping[str, Json], labels: Mapping[str, str]) -> Line:
    return Line(f"Needs a person: {_text(data, 'reason').replace('_', ' ')}", _text(data, "text"), "critical", "users")


_WORDS: Mapping[str, Callable[[Mapping[str, Json], Mapping[str, str]], Line]] = {
    Did.CREATED: _created,
    Did.ALERT: _alert,
    Did.RECOVERED: _recovered,
    Did.STATUS: _status,
    Did.RESOLUTION: _resolution,
    Did.ASSIGNED: _assigned,
    Did.MESSAGE: _message,
    Did.PRIORITY: _priority,
    Did.POLICY: _policy,
    Did.AUTOMATION: _automation,
    Did.RELEASED: _released,
    Did.HANDED_OVER: _handed_over,
}


def _text(data: Mapping[str, Json], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
