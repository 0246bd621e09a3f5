"""Until when a release of an operating system gets security updates.

Owns: the data (`lifecycle.json`, with source and date) and the look-up.
Invariant: a release that is not in the data is not known, never supported.
"""

import json
from datetime import date
from importlib.resources import files

_DATA = json.loads((files(__package__) / "lifecycle.json").read_text(encoding="utf-8"))
AS_OF: str = _DATA["as_of"]
_ENDS: dict[str, dict[str, date]] = {
    name: {version: date.fromisoformat(end) for version, end in versions.items()} for name, versions in _DATA["ends"].items()
}


def end_of_security_updates(system: str, version: str) -> date | None:
    """Return the last day with updates. `8.9` is found as `8` where the maker counts in whole numbers, `3.20.1` as `3.20`."""
    known = _ENDS.get(system, {})
    parts = version.split(".")
    return next((known[name] for count in range(len(parts), 0, -1) if (name := ".".join(parts[:count])) in known), None)
