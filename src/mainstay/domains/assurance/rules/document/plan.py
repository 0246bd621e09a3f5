"""What to do: what a machine could do instead of a person, the staged plan, and the five signs of a system that needs help."""

from typing import Final

from mainstay.domains.assurance.rules.document.words import (
    Block,
    amount,
    blocks_of,
    column,
    cut,
    day,
    facts,
    minutes,
    note,
    plural,
    table,
    tag,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

# Stage, name, when, tone: security page, section 5, rule 12.
STAGES: Final = (
    ("now", "Now", "within 7 days", "critical"),
    ("next", "Next", "within 30 days", "warning"),
    ("then", "Then", "within 90 days", "info"),
    ("later", "Later", "when there is time", "neutral"),
)
SIGNS: Final = {
    "crashes": "Machines crash or restart by themselves",
    "slowness": "People wait for machines",
    "security": "Known weaknesses are open",
    "data_loss": "Data may be lost",
    "nobody_responsible": "Nobody is responsible",
}
_ANSWERS: Final = {"yes": "critical", "no": "ok", "unknown": "unknown"}


def automation(report: JsonObject) -> list[Block]:
    """Return what repeats often enough that a runbook should do it."""
    chances = blocks_of(report["automation"])
    rows = [_chance(one) for one in chances]
    columns = [
        column("What repeats", 6),
        column("Kind", 2),
        column("Cases", 2, align="end"),
        column("Saves a year", 3, align="end"),
        column("Runbook", 4),
    ]
    return [
        note("Work that people do again and again. Minutes are carried over to a year; “at most” stands before an upper bound."),
        table(columns, rows, empty="Nothing repeated often enough in the window."),
        *(note(f"{kind}: {measured}", is_small=True) for kind, measured in _measured(chances)),
    ]


def roadmap(report: JsonObject) -> list[Block]:
    """Return the plan by stages; inside a stage what removes most risk for its effort stands first."""
    items = blocks_of(report["roadmap"])
    titles = {text(one["id"]): text(one["title"]) for one in items}
    stages: list[Json] = [_stage(stage, [one for one in items if one["stage"] == stage[0]], titles) for stage in STAGES]
    return [
        note("Ordered by risk removed for each hour of work. No step stands before one that it needs."),
        {"type": "stages", "stages": stages},
    ]


def health(report: JsonObject) -> list[Block]:
    """Return the five signs with their numbers."""
    rows = [_sign(one) for one in blocks_of(report["health"])]
    columns = [column("Sign", 5), column("Answer", 2), column("Number", 2, align="end"), column("Next", 6)]
    return [note("Five signs that a system needs support, each measured."), table(columns, rows)]


def _chance(one: JsonObject) -> list[Json]:
    runbook = text(one["runbook"]) or tag("none exists yet", "neutral")
    return [text(one["title"]), text(one["kind"]), text(one["cases"]), _saved(one), runbook]


def _measured(chances: list[JsonObject]) -> list[tuple[str, str]]:
    """Return what the numbers of each kind measure; a report from before this was said says nothing."""
    return sorted({(text(one["kind"]), text(one["measured"])) for one in chances if one.get("measured")})


def _saved(one: JsonObject) -> str:
    if one["minutes_per_year"] is None:
        return "not measured"
    return f"{'at most ' if one['upper_bound'] else ''}{minutes(whole(one['minutes_per_year']))}"


def _stage(stage: tuple[str, str, str, str], items: list[JsonObject], titles: dict[str, str]) -> JsonObject:
    _, name, when, tone = stage
    effort = minutes(sum(whole(one["effort_min"]) for one in items))
    said = f"{when}: {plural(len(items), 'step')}, {effort}" if items else when
    return {
        "name": name,
        "note": said,
        "tone": tone,
        "empty": "Nothing stands in this stage.",
        "items": [_item(one, titles) for one in items],
    }


def _item(one: JsonObject, titles: dict[str, str]) -> JsonObject:
    deadline = view(one["deadline"])
    return {
        "id": text(one["id"]),
        "title": text(one["title"]),
        "steps": texts_of(one["steps"]),
        "facts": facts(
            (
                ("Effort", minutes(whole(one["effort_min"]))),
                ("Cost", amount(one["cost"])),
                ("Gain", _gain(one["gain"])),
                ("Closes", plural(len(texts_of(one["closes"])), "finding")),
                ("Supports", cut((said.replace(":", " ", 1) for said in texts_of(one["requirements"])), 6)),
                ("After", cut(titles.get(key, key) for key in texts_of(one["after"]))),
                ("Owner", text(one["owner_name"]) or "nobody yet"),
                ("Due", day(text(one["due"]))),
                ("Deadline", f"{day(text(deadline.get('date')))} by {text(deadline.get('source'))}" if deadline else ""),
                ("Stage of life", text(one["lifecycle"])),
                ("Risk removed", text(one["risk"])),
                ("Score after it", text(one["score_after"])),
            )
        ),
    }


def _gain(given: Json) -> str:
    saved = view(given).get("minutes_per_year")
    return f"{minutes(whole(saved))} a year" if saved else ""


def _sign(one: JsonObject) -> list[Json]:
    answer, sign = text(one["answer"]), text(one["sign"])
    return [
        SIGNS.get(sign, sign.replace("_", " ").capitalize()),
        tag(answer, _ANSWERS.get(answer, "unknown")),
        text(one["number"]),
        text(one["next"]),
    ]
