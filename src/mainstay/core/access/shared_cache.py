"""What every process must remember about sign-ins: one-time codes that were used, and how often somebody has tried.

Owns: Django's default cache, in one table of the database. Does not own: limits and codes themselves (allauth).
Invariant: an answer is the same in every process and after a restart, and does not hang on the transaction of a request: what was
counted stays counted when the request fails. Values are JSON, because whoever writes the table must not get to run code here;
keys are hashes, because a key of allauth holds the code that was typed.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any  # a cache takes any value that JSON can hold

import psycopg
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

_GET = "SELECT value FROM access_shared_value WHERE key = %s AND expires_at > now()"
_SET = """
INSERT INTO access_shared_value (key, value, expires_at) VALUES (%s, %s, now() + make_interval(secs => %s))
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
"""
# The one statement on which a used code hangs: of two that come at once, exactly one inserts or replaces what has expired.
_ADD = _SET + " WHERE access_shared_value.expires_at <= now() RETURNING 1"
_TOUCH = "UPDATE access_shared_value SET expires_at = now() + make_interval(secs => %s) WHERE key = %s AND expires_at > now() RETURNING 1"
_DELETE = "DELETE FROM access_shared_value WHERE key = %s AND expires_at > now() RETURNING 1"
_TIDY = "DELETE FROM access_shared_value WHERE expires_at <= now()"
# Django's way to say "never": nothing that is remembered about a sign-in is worth more than a day.
LONGEST_S = 86_400.0


class SharedCache(BaseCache):
    """Each call is one statement on a connection of its own; sign-ins are rare enough for that."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        row = self._ask(_GET, self._place(key, version))
        return default if row is None else json.loads(row[0])

    def set(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask(_TIDY)
        self._ask(_SET, self._place(key, version), json.dumps(value), self._seconds(timeout))

    def add(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(_ADD, self._place(key, version), json.dumps(value), self._seconds(timeout)) is not None

    def touch(self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(_TOUCH, self._seconds(timeout), self._place(key, version)) is not None

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._ask(_DELETE, self._place(key, version)) is not None

    def clear(self) -> None:
        self._ask("DELETE FROM access_shared_value")

    def _place(self, key: Any, version: int | None) -> str:
        return hashlib.sha256(self.make_and_validate_key(key, version=version).encode()).hexdigest()

    def _seconds(self, timeout: float | None) -> float:
        wanted = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return LONGEST_S if wanted is None else min(float(wanted), LONGEST_S)

    def _ask(self, statement: str, *parameters: object) -> tuple[Any, ...] | None:
        with psycopg.connect(**_place_of_database(), autocommit=True) as database:
            cursor = database.execute(statement, parameters)
            return cursor.fetchone() if cursor.description else None


def _place_of_database() -> Mapping[str, Any]:
    """Return how the runtime role reaches the database: what Django itself would dial. Options of the address are libpq's own."""
    given = connection.settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {name: given[theirs] for name, theirs in named.items() if given.get(theirs)} | _options(given)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    options = given.get("OPTIONS") or {}
    return {name: value for name, value in options.items() if isinstance(value, str | int)}
