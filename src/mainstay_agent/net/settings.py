"""The optional file `agent.toml` in the state folder.

Owns: its few settings and their defaults.
Invariant: a broken file is an error with its place, never silently ignored.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """`watch`: units to watch beside those of the policy. `has_logs`: whether log lines are sent."""

    watch: tuple[str, ...] = ()
    has_logs: bool = True


def load(folder: Path) -> Settings:
    """Read `[agent] watch = [...], logs = true`. Errors: ValueError."""
    try:
        text = (folder / "agent.toml").read_text()
    except FileNotFoundError:
        return Settings()
    table = tomllib.loads(text).get("agent", {})
    watch, has_logs = table.get("watch", []), table.get("logs", True)
    if not isinstance(watch, list) or not all(isinstance(unit, str) for unit in watch) or not isinstance(has_logs, bool):
        raise ValueError(f"{folder / 'agent.toml'}: watch is a list of units, logs is true or false")
    return Settings(tuple(watch), has_logs)
