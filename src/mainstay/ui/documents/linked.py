"""References of a document as addresses of pages."""

from collections.abc import Callable, Mapping, Sequence

from mainstay.kernel.json import Json


def linked(value: Json, address: Callable[[str], str]) -> Json:
    """Return the blocks with `url` beside each `ref` for which there is an address; the paper has its own links and needs none."""
    if isinstance(value, Mapping):
        copy = {key: linked(each, address) for key, each in value.items()}
        url = address(str(value["ref"])) if "ref" in value else ""
        return {**copy, "url": url} if url else copy
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [linked(each, address) for each in value]
    return value
