"""The operator's choices: `mainstay.toml` below the environment.

Owns: every setting's name, type, environment variable and default. Does not own: what a setting does.
Invariant: a file that is not understood completely is refused as a whole, by file, line and remedy.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mainstay.kernel.errors import Invalid

Value = int | str | bool | tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One choice. `key` is its place in the file, `variable` its name in the environment (which wins)."""

    key: str
    variable: str
    default: Value
    help: str


SETTINGS = (
    Setting("web.port", "MAINSTAY_PORT", 8080, "port of the web process on loopback"),
    Setting("web.lan", "MAINSTAY_LAN", False, "open the TLS listener, so that other machines can join"),
    Setting("web.lan_port", "MAINSTAY_LAN_PORT", 8443, "port of the TLS listener, on every address of this machine"),
    Setting("web.hosts", "MAINSTAY_HOSTS", (), "further host names that the web process answers to"),
    Setting("web.label", "MAINSTAY_LABEL", "", "a word that every page shows, such as DEMO"),
    Setting("web.demo", "MAINSTAY_DEMO", False, "everything here is invented: pages, documents and reports say so"),
    Setting("database.url", "MAINSTAY_DATABASE_URL", "", "PostgreSQL of the runtime role; empty means the embedded one"),
    Setting("database.owner_url", "MAINSTAY_DATABASE_OWNER_URL", "", "the same database as the role of migrations"),
    Setting("database.ledger_url", "MAINSTAY_DATABASE_LEDGER_URL", "", "the same database as the role of the ledger's sequencer"),
    Setting("database.backup_url", "MAINSTAY_DATABASE_BACKUP_URL", "", "the same database as the role that reads everything, for backups"),
    Setting("telemetry.url", "MAINSTAY_TELEMETRY_URL", "", "ClickHouse over HTTP; empty means the embedded one"),
    Setting("telemetry.memory_mb", "MAINSTAY_TELEMETRY_MEMORY_MB", 0, "memory cap of the embedded engine; 0 lets the machine decide"),
    Setting("agent.enabled", "MAINSTAY_AGENT", True, "watch this machine too"),
)
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_SECTIONS = {setting.key.split(".")[0] for setting in SETTINGS}


def read_settings(file: Path | None, environ: Mapping[str, str]) -> dict[str, Value]:
    """Return every setting by key: the environment's value, else the file's, else the default.

    Errors: Invalid("engines.settings_invalid") naming file and line or the variable, what is wrong, and what to write instead.
    """
    values: dict[str, Value] = {setting.key: setting.default for setting in SETTINGS}
    values |= _from_file(file) if file else {}
    values |= {s.key: _from_text(s, environ[s.variable]) for s in SETTINGS if environ.get(s.variable)}
    return values


def _from_file(file: Path) -> dict[str, Value]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise _invalid(f"{file}: the file cannot be read ({problem}); make it readable UTF-8 text or remove it") from problem
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise _invalid(f"{_where(file, problem)}: not valid TOML: {problem}; correct that line or remove the file") from problem
    return {key: _checked(file, text, key, value) for key, value in _flat(tables)}


def _flat(tables: Mapping[str, object]) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for name, value in tables.items():
        if isinstance(value, dict) and name in _SECTIONS:
            pairs += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            pairs.append((name, value))
    return pairs


def _checked(file: Path, text: str, key: str, value: object) -> Value:
    setting = _BY_KEY.get(key)
    if setting is None:
        near = difflib.get_close_matches(key, [*_BY_KEY, *_SECTIONS], n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known settings are {', '.join(_BY_KEY)}"
        raise _invalid(f"{file}:{_line(text, key)}: unknown setting {key}; {remedy}")
    if isinstance(setting.default, tuple) and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if type(value) is type(setting.default) and isinstance(value, int | str | bool):
        return _sound(setting, value, f"{file}:{_line(text, key)}")
    raise _invalid(f"{file}:{_line(text, key)}: {key} must be {_kind(setting)}, not {value!r}")


def _from_text(setting: Setting, text: str) -> Value:
    default = setting.default
    if isinstance(default, bool):
        if text.lower() in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            return text.lower() in {"1", "true", "yes", "on"}
    elif isinstance(default, int):
        if text.isascii() and text.isdigit():
            return _sound(setting, int(text), setting.variable)
    elif isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    else:
        return _sound(setting, text, setting.variable)
    raise _invalid(f"{setting.variable} must be {_kind(setting)}, not {text!r}; it sets {setting.help}")


def _sound(setting: Setting, value: Value, where: str) -> Value:
    if setting.key in ("web.port", "web.lan_port") and not (isinstance(value, int) and 1 <= value <= 65535):
        raise _invalid(f"{where}: {setting.key} must lie between 1 and 65535, not {value}")
    # Only the addresses of the engines are URLs; a label is whatever its owner likes.
    schemes = {"database": ("postgresql://", "postgres://"), "telemetry": ("http://", "https://")}.get(setting.key.split(".")[0])
    if schemes and isinstance(value, str) and value and not value.startswith(schemes):
        raise _invalid(f"{where}: {setting.key} must begin with {' or '.join(schemes)}")
    return value


def _kind(setting: Setting) -> str:
    default = setting.default
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int):
        return "a whole number"
    return "a list of texts" if isinstance(default, tuple) else "a text"


def _where(file: Path, problem: tomllib.TOMLDecodeError) -> str:
    line = re.search(r"at line (\d+)", str(problem))
    return f"{file}:{line.group(1)}" if line else f"{file}:end"


def _line(text: str, key: str) -> int:
    """Find the line that sets `key` (1 when it cannot be told, as with dotted or inline forms)."""
    section, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if heading:
            current = heading.group(1)
            if current == key:
                return number
        elif re.match(rf"\s*\"?{re.escape(name)}\"?\s*[=.]", line) and current == section:
            return number
    return 1


def _invalid(message: str) -> Invalid:
    return Invalid("engines.settings_invalid", message)
