"""What changed between two values, as a JSON Patch. Source: RFC 6902, pointers RFC 6901.

Lists are replaced as a whole: their order carries no identity here, and a patch is read by people.
"""

from collections.abc import Mapping

from mainstay.kernel.json import Json

OPERATIONS_MAX = 200


def patch(old: Json, new: Json) -> list[dict[str, Json]]:
    """Return the operations that turn `old` into `new`; above 200 one replacement of the whole."""
    operations = _patch("", old, new)
    return operations if len(operations) <= OPERATIONS_MAX else [{"op": "replace", "path": "", "value": new}]


def _patch(path: str, old: Json, new: Json) -> list[dict[str, Json]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _members(path, old, new)
    return [] if old == new else [{"op": "replace", "path": path, "value": new}]


def _members(path: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> list[dict[str, Json]]:
    operations: list[dict[str, Json]] = []
    for key in sorted(old.keys() | new.keys()):
        where = f"{path}/{_escape(key)}"
        if key not in new:
            operations.append({"op": "remove", "path": where})
        elif key not in old:
            operations.append({"op": "add", "path": where, "value": new[key]})
        else:
            operations.extend(_patch(where, old[key], new[key]))
    return operations


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
