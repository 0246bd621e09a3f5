"""The first page, read by the person who pays: how good, how sure, what is worst, what to do first. And the areas with their trend."""

from typing import Final

from mainstay.domains.assurance.rules.document.words import (
    AREA_NAMES,
    SEVERITY_TONES,
    Block,
    amount,
    blocks_of,
    facts,
    items_of,
    minutes,
    note,
    plural,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

# Lower and upper bound, grade, tone: security page, section 5, rule 10.
BANDS: Final = ((0, 50, "E", "critical"), (50, 70, "D", "warning"), (70, 80, "C", "info"), (80, 90, "B", "ok"), (90, 100, "A", "ok"))
_GRADES: Final = {"A": "well kept", "B": "sound, with gaps", "C": "works, but open to known attacks", "D": "exposed", "E": "in danger"}
_CAPS: Final = {
    "critical_open": "at most 59 while a critical finding is open",
    "kev_exposed": "at most 39 while a weakness that attackers are known to use can be reached from the internet",
    "no_restore_point": "at most 39 while a service of the first tier has no point to restore from",
}
WITNESSES: Final = {
    "W0": "W0, not witnessed: the holder of the signing key could rewrite it",
    "W1": "W1: the agents of this system vouch for the ledger, nobody outside does",
    "W2": "W2: one witness of another organisation vouches for the ledger",
    "W3": "W3: a quorum of other organisations vouches for the ledger",
}


def compose(report: JsonObject) -> list[Block]:
    """Return the answer: summary, score, key figures, five worst, five first actions, money."""
    answer = view(report["answer"])
    return [
        _score(answer),
        {"type": "summary", "paragraphs": texts_of(answer["summary"])},
        {"type": "figures", "items": _figures(report, answer)},
        {"type": "list", "title": "Five worst", "ordered": True, "items": _worst(report, answer), "empty": "No finding is open."},
        {
            "type": "list",
            "title": "Five first actions",
            "ordered": True,
            "items": _first(report, answer),
            "empty": "Nothing needs to be done.",
        },
        note(_money(answer), is_small=True),
    ]


def areas(report: JsonObject) -> list[Block]:
    """Return the score of each area beside the one of the run before."""
    return [
        {
            "type": "bars",
            "title": "",
            "columns": ["Area", "Score of 100", "", "Checks"],
            "items": [_area(one) for one in blocks_of(report["areas"])],
        }
    ]


def score_tone(score: int) -> str:
    return next((tone for low, high, _, tone in BANDS if low <= score < high), "ok")


def _score(answer: JsonObject) -> Block:
    score, grade = whole(answer["score"]), text(answer["grade"])
    is_seen = grade in _GRADES
    shown = "–" if answer["score"] is None else str(score)
    return {
        "type": "score",
        "value": shown if is_seen else f"({shown})",
        "grade": f"Grade {grade}: {_GRADES[grade]}" if is_seen else grade[:1].upper() + grade[1:],
        "text": " ".join(_meaning(answer)),
        "mark": min(max(score, 0), 100),
        "bands": [_band(low, high, label, tone, score) for low, high, label, tone in BANDS],
    }


def _band(low: int, high: int, label: str, tone: str, score: int) -> JsonObject:
    is_here = low <= score < high or score == high == 100
    return {"from": low, "to": high, "width": high - low, "label": label, "tone": tone, "is_here": is_here}


def _meaning(answer: JsonObject) -> list[str]:
    coverage = view(answer["coverage"])
    seen, of, pct = whole(coverage["judged"]), whole(coverage["applicable"]), whole(coverage["pct"])
    said = [f"{seen:,} of {of:,} points were judged ({pct} %); what was not seen counts as not passed."]
    said += [f"Held down: {_cap(cap)}." for cap in items_of(answer["caps"])]
    with_accepted = whole(answer["score_with_accepted"])
    if with_accepted != whole(answer["score"]):
        said.append(f"It would be {with_accepted} if accepted risks counted as closed.")
    return said


def _cap(cap: Json) -> str:
    """Say a cap of the score by its code."""
    return _CAPS.get(text(view(cap)["cap"]), f"at most {text(view(cap)['at'])}")


def _figures(report: JsonObject, answer: JsonObject) -> list[Json]:
    found = blocks_of(report["findings"])
    urgent = [one for one in found if one["severity"] in ("critical", "high")]
    changes, coverage, witness = view(report["changes"]), view(answer["coverage"]), text(answer["witness"])
    effort = sum(whole(one["effort_min"]) for one in blocks_of(report["roadmap"]))
    fresh, fixed = len(items_of(changes.get("new"))), len(items_of(changes.get("fixed")))
    since = f"{fresh} new, {fixed} fixed since the last audit" if changes.get("against") else "the first audit of this scope"
    pct = whole(coverage["pct"])
    return [
        {"label": "Open findings", "value": f"{len(found):,}", "note": since, "tone": "critical" if urgent else "info"},
        {"label": "Critical and high", "value": f"{len(urgent):,}", "note": "begin here", "tone": "critical" if urgent else "ok"},
        {"label": "Coverage", "value": f"{pct} %", "note": "of what applies was judged", "tone": "ok" if pct >= 80 else "unknown"},
        {"label": "Work ahead", "value": minutes(effort), "note": plural(len(blocks_of(report["roadmap"])), "step"), "tone": "info"},
        {
            "label": "Witnesses",
            "value": witness,
            "note": WITNESSES.get(witness, witness).partition(": ")[2].partition(",")[0] or witness,
            "tone": "ok" if witness in ("W2", "W3") else "unknown",
        },
    ]


def _worst(report: JsonObject, answer: JsonObject) -> list[Json]:
    by_id = {text(one["id"]): one for one in blocks_of(report["findings"])}
    return [_bad(by_id[key]) for key in texts_of(answer["worst"]) if key in by_id]


def _bad(one: JsonObject) -> JsonObject:
    severity = text(one["severity"])
    return {
        "text": text(one["title"]),
        "note": text(one["seen"]),
        "tag": severity,
        "tone": SEVERITY_TONES[severity],
        "ref": text(one["id"]),
    }


def _first(report: JsonObject, answer: JsonObject) -> list[Json]:
    by_id = {text(one["id"]): one for one in blocks_of(report["roadmap"])}
    return [_step(by_id[key]) for key in texts_of(answer["first"]) if key in by_id]


def _step(one: JsonObject) -> JsonObject:
    pairs = facts(
        (("effort", minutes(whole(one["effort_min"]))), ("cost", amount(one["cost"])), ("score after it", text(one["score_after"])))
    )
    said = ", ".join(" ".join(texts_of(pair)) for pair in pairs)
    return {"text": text(one["title"]), "note": said, "ref": text(one["id"])}


def _money(answer: JsonObject) -> str:
    """Money is what somebody gave rates for; what nobody gave is said, never made up."""
    money = view(answer["money"])
    cost = amount(money.get("roadmap_cost"))
    if cost:
        return f"Money: the whole roadmap costs {cost}."
    return f"Money: not stated. {text(money.get('why')) or 'Nobody has given an hourly rate.'} None is made up."


def _area(one: JsonObject) -> JsonObject:
    score = one["score"] if isinstance(one["score"], int) else None
    name = text(one["area"])
    return {
        "label": AREA_NAMES.get(name, name.capitalize()),
        "value": score,
        "text": "–" if score is None else str(score),
        "tone": "unknown" if score is None else score_tone(score),
        "note": ", ".join(filter(None, (_trend(score, one["previous"]), _counts(one)))),
    }


def _trend(score: int | None, before: Json) -> str:
    if score is None or not isinstance(before, int):
        return ""
    if score == before:
        return "as before"
    return f"up {score - before}" if score > before else f"down {before - score}"


def _counts(one: JsonObject) -> str:
    unknown = whole(one["unknown"])
    return f"{whole(one['passed'])} of {whole(one['checks'])} passed" + (f", {unknown} unknown" if unknown else "")
