"""Two audits beside each other: what is new, gone, back, or not the same.

Source: security page, section 5 rule 5. Invariant: reads reports alone, so that anybody can compare what was issued.
"""

from collections.abc import Mapping
from typing import Any  # parts of a report, as JSON gives them

Report = Mapping[str, Any]


def compare(old: Report, new: Report) -> dict[str, Any]:
    """Return the differences of the findings of two reports of one scope."""
    before = {one["id"]: one for one in old["findings"]}
    after = {one["id"]: one for one in new["findings"]}
    judged = {one["id"] for one in new["checks"] if one["verdict"] != "unknown"}
    return {
        "against": old["run"],
        "new": sorted(key for key in after.keys() - before.keys() if after[key]["change"] != "returned"),
        "fixed": sorted(key for key in before.keys() - after.keys() if before[key]["check"] in judged),
        "returned": sorted(key for key in after.keys() - before.keys() if after[key]["change"] == "returned"),
        "changed": sorted(key for key in after.keys() & before.keys() if _core(before[key]) != _core(after[key])),
    }


def _core(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    return finding["severity"], finding["version"], tuple(sorted(finding["failing"]))
