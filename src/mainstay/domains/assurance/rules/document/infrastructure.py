"""The map: what there is, what needs what, what stands alone, who watches and who protects. A picture first, the same as tables below."""

from typing import Final

from mainstay.domains.assurance.rules.document.exposure import CELLS
from mainstay.domains.assurance.rules.document.words import (
    Block,
    blocks_of,
    code,
    column,
    cut,
    items_of,
    note,
    plural,
    subheading,
    table,
    tag,
    text,
    texts_of,
    view,
    whole,
)
from mainstay.kernel.json import Json, JsonObject

_WIDTH, _ROW, _BOX, _TOP = 1000, 54, 42, 26
# Columns of the picture: heading, left edge, width. Lines run from left to right, from who needs to what is needed.
_LANES: Final = (("Needs others", 0, 270), ("Needs and is needed", 365, 270), ("Is needed", 730, 270))
NODES_MAX: Final = 45
_ROWS_MAX: Final = 60
_WHY_ALONE: Final = {
    "others_depend_on_it": "others depend on it and nothing stands beside it",
    "only_name_server": "the only name server that they know",
    "data_without_backup": "keeps data, and no backup of it is known",
}


def compose(report: JsonObject) -> list[Block]:
    """Return the picture of dependencies and the lists behind it."""
    plan = view(report["map"])
    return [
        note(_overview(plan)),
        *_picture(plan),
        subheading("Devices"),
        _devices(plan),
        subheading("Single points of failure"),
        _single_points(plan),
        subheading("Data stores"),
        _data_stores(plan),
        subheading("Dependencies from live connections"),
        _dependencies(plan),
        subheading("Listeners"),
        _listeners(plan),
        subheading("Services"),
        _services(plan),
        subheading("Software"),
        note(_software(view(plan["software"]))),
    ]


def _overview(plan: JsonObject) -> str:
    parts = (
        ("devices", "device"),
        ("services", "service"),
        ("listeners", "listener"),
        ("dependencies", "dependency"),
        ("data_stores", "data store"),
    )
    counts = [plural(len(items_of(plan[key])), noun, "dependencies" if noun == "dependency" else "") for key, noun in parts]
    return f"{', '.join(counts[:-1])} and {counts[-1]}, from what the machines themselves reported."


def _picture(plan: JsonObject) -> list[Block]:
    edges = sorted({(text(one["from"]), text(one["to"])) for one in blocks_of(plan["dependencies"])})
    edges = [(start, end) for start, end in edges if start and end and start != end]
    if not edges:
        return [note("No connection between machines was seen in the window, so there is nothing to draw.", is_small=True)]
    lanes = _lanes(edges)
    if sum(map(len, lanes)) > NODES_MAX:
        return [
            note(
                f"More than {NODES_MAX} machines depend on each other: the table of dependencies below says it better than a picture.",
                is_small=True,
            )
        ]
    return [_graph(plan, edges, lanes)]


def _lanes(edges: list[tuple[str, str]]) -> tuple[list[str], list[str], list[str]]:
    starts, ends = {start for start, _ in edges}, {end for _, end in edges}
    return sorted(starts - ends), sorted(starts & ends), sorted(ends - starts)


def _graph(plan: JsonObject, edges: list[tuple[str, str]], lanes: tuple[list[str], ...]) -> Block:
    known = {text(one.get("name")): one for one in blocks_of(plan["devices"])}
    alone = {text(one["what"]) for one in blocks_of(plan["single_points"])}
    rows_max = max(map(len, lanes))
    nodes: dict[str, dict[str, Json]] = {}
    for (_, left, width), names in zip(_LANES, lanes, strict=True):
        for row, name in enumerate(names):
            # A shorter column stands in the middle of the highest one.
            top = _TOP + row * _ROW + (rows_max - len(names)) * _ROW // 2
            nodes[name] = {"x": left, "y": top, "w": width, "h": _BOX, "label": name, "kind": "device", **_look(name, known, alone)}
    heads: list[Json] = [{"x": left, "y": 0, "text": head} for (head, left, _), names in zip(_LANES, lanes, strict=True) if names]
    return {
        "type": "graph",
        "title": "",
        "alt": "Who needs whom: " + cut((f"{start} needs {end}" for start, end in edges), 30),
        "height": _TOP + rows_max * _ROW,
        "nodes": list(nodes.values()),
        "edges": [_edge(nodes[start], nodes[end]) for start, end in edges],
        "heads": heads,
    }


def _look(name: str, known: dict[str, JsonObject], alone: set[str]) -> JsonObject:
    if name in alone:
        return {"tone": "critical", "note": "single point of failure"}
    if name in known:
        return {"tone": "info", "note": text(known[name].get("role", known[name].get("os")))}
    return {"tone": "neutral", "note": "outside this scope"}


def _edge(start: dict[str, Json], end: dict[str, Json]) -> JsonObject:
    return {
        "x1": whole(start["x"]) + whole(start["w"]),
        "y1": whole(start["y"]) + _BOX // 2,
        "x2": whole(end["x"]) if whole(end["x"]) > whole(start["x"]) else whole(end["x"]) + whole(end["w"]),
        "y2": whole(end["y"]) + _BOX // 2,
    }


def _by_device(rows: Json) -> dict[str, Json]:
    """Return the state of one function for each device, as a cell."""
    return {text(one["device"]): tag(*CELLS.get(text(one["state"]), CELLS["unknown"])) for one in blocks_of(rows)}


def _devices(plan: JsonObject) -> Block:
    watched, protected = _by_device(plan["watched_by"]), _by_device(plan["protected_by"])
    rows: list[list[Json]] = []
    for one in blocks_of(plan["devices"]):
        name = text(one["name"])
        system = text(one["os"]) or ("entered by hand" if one["kind"] == "system" else "")
        rows.append([name, text(one["role"]), system, _holds(one), watched.get(name, ""), protected.get(name, "")])
    columns = [
        column("Device", 4),
        column("Role", 3),
        column("System", 4),
        column("Data, reach", 4),
        column("Watched", 3),
        column("Backed up", 3),
    ]
    return table(columns, rows, empty="No device is in scope.")


def _holds(one: JsonObject) -> str:
    """Say which data a device holds and from where it is reached; what nobody said is marked as taken for granted."""
    assumed = texts_of(one.get("assumed"))
    return f"{text(one['data'])}, {text(one['exposure'])}" + (" (assumed)" if assumed else "")


def _single_points(plan: JsonObject) -> Block:
    rows: list[list[Json]] = [
        [text(one["what"]), _WHY_ALONE.get(text(one["why"]), text(one["why"]).replace("_", " ")), cut(texts_of(one["affects"]), 6)]
        for one in blocks_of(plan["single_points"])
    ]
    return table(
        [column("What", 3), column("Why", 4), column("Takes with it", 4)],
        rows,
        empty="None was found among the connections that were seen.",
    )


def _data_stores(plan: JsonObject) -> Block:
    rows: list[list[Json]] = [
        [text(one["device"]), text(one["kind"]), text(one["what"]), "yes" if one["backed_up"] else tag("not known", "warning")]
        for one in blocks_of(plan["data_stores"])
    ]
    return table([column("Device", 3), column("Kind", 3), column("What", 3), column("Backed up", 2)], rows, empty="None was seen.")


def _dependencies(plan: JsonObject) -> Block:
    rows: list[list[Json]] = [
        [text(one["from"]), text(one["to"]), code(text(one["port"])), text(one["process"]), text(one["seen"])]
        for one in blocks_of(plan["dependencies"])[:_ROWS_MAX]
    ]
    columns = [column("From", 3), column("To", 4), column("Port", 1), column("Process", 3), column("Seen", 1, align="end")]
    return table(columns, rows, empty="No connection to another machine was seen.")


def _listeners(plan: JsonObject) -> Block:
    given = blocks_of(plan["listeners"])
    rows: list[list[Json]] = [
        [text(one["device"]), code(_address(one)), text(one["process"]), text(one["package"])] for one in given[:_ROWS_MAX]
    ]
    return _counted(
        table([column("Device", 3), column("Address", 4), column("Process", 3), column("Package", 3)], rows, empty="Nothing listens."),
        given,
    )


def _address(one: JsonObject) -> str:
    host = text(one["address"])
    return f"{f'[{host}]' if ':' in host else host}:{text(one['port'])}/{text(one['protocol'])}"


def _services(plan: JsonObject) -> Block:
    # What has failed stands first: it is what a reader looks for.
    given = sorted(blocks_of(plan["services"]), key=lambda one: one["state"] != "failed")
    rows: list[list[Json]] = [
        [text(one["device"]), text(one["unit"]), text(one["what"]), _state(text(one["state"]))] for one in given[:_ROWS_MAX]
    ]
    return _counted(
        table(
            [column("Device", 3), column("Service", 4), column("What it is", 5), column("State", 2)], rows, empty="No service was reported."
        ),
        given,
    )


def _state(state: str) -> Json:
    return tag(state, "critical") if state == "failed" else state


def _counted(shown: Block, given: list[JsonObject]) -> Block:
    """A long table says what it leaves to the JSON."""
    return {**shown, "title": f"The first {_ROWS_MAX} of {len(given)}; all are in the JSON"} if len(given) > _ROWS_MAX else shown


def _software(software: JsonObject) -> str:
    outside = texts_of(software.get("outside_packages"))
    said = f"{plural(whole(software.get('packages')), 'package')} under the care of a package manager."
    return f"{said} Beside them, under nobody's care: {cut(outside, 20)}." if outside else f"{said} No program was found beside them."
