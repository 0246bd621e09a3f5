"""Small readers of JSON columns."""

from collections.abc import Iterable


def texts(value: object) -> tuple[str, ...]:
    """Return the texts of a definition's setting."""
    return tuple(str(one) for one in value) if isinstance(value, Iterable) and not isinstance(value, str) else ()


def pairs(value: object) -> list[tuple[float, int]]:
    """Return the (instant, flag) pairs that a verify step kept."""
    return [(float(at), int(flag)) for at, flag in value] if isinstance(value, list) else []
