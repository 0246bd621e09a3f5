"""What all action programs share.

Owns: reading the request, limits of the own process, exit codes.
Invariant: a program that fails says why on its output and leaves a code that is not 0.
"""

import json
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MEMORY_BYTES_MAX = 512 * 1024 * 1024
FILE_BYTES_MAX = 64 * 1024 * 1024
FAILED = 1


class ActionFailed(Exception):
    """The action could not do its work; the sentence is for people."""


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters of the command and, for services, the entry of the signed policy."""

    params: Mapping[str, object]
    service: Mapping[str, object] | None

    def text(self, name: str) -> str:
        value = self.params.get(name)
        if not isinstance(value, str) or not value or value.startswith("-") or any(ord(character) < 32 for character in value):
            raise ActionFailed(f"parameter {name} is not a usable text")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.params.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ActionFailed(f"parameter {name} is not a whole number")
        return value


def run(action: Callable[[Request], None]) -> int:
    """Run an action with the request on standard input; return the exit code."""
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES_MAX), (resource.RLIMIT_FSIZE, FILE_BYTES_MAX), (resource.RLIMIT_CORE, 0)):
        _limit(kind, most)
    try:
        given = json.load(sys.stdin)
        action(Request(given.get("params") or {}, given.get("service")))
    except ActionFailed as problem:
        say(str(problem))
        return FAILED
    except (OSError, ValueError) as problem:
        say(f"{type(problem).__name__}: {problem}")
        return FAILED
    return 0


def show(value: object) -> None:
    """Print a value as one line of JSON."""
    say(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def say(text: str) -> None:
    """Print one line at once: what an action said before it was stopped is evidence."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def lift_limits() -> None:
    """Give a child the machine's own limits back: a daemon lives on after the action that started it."""
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (hard, hard))


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
