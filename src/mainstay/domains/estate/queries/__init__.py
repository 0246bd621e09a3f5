"""Reads of the estate."""

from mainstay.domains.estate.queries.fleet import (
    WATCHED_MAX,
    changes,
    device,
    device_key,
    devices,
    fact,
    facts,
    find_device,
    health_rows,
    history,
    public_key,
    silent_devices,
    unit_state,
    units,
    watched_units,
)
from mainstay.domains.estate.queries.lately import Changed, changes_since
from mainstay.domains.estate.queries.lists import DEVICES, STATE_TONES
from mainstay.domains.estate.queries.panel import Group, Panel, device_panel
from mainstay.domains.estate.queries.routes import Home, key_home, refusals, refused_since

__all__ = [
    "DEVICES",
    "STATE_TONES",
    "WATCHED_MAX",
    "Changed",
    "Group",
    "Home",
    "Panel",
    "changes",
    "changes_since",
    "device",
    "device_key",
    "device_panel",
    "devices",
    "fact",
    "facts",
    "find_device",
    "health_rows",
    "history",
    "key_home",
    "public_key",
    "refusals",
    "refused_since",
    "silent_devices",
    "unit_state",
    "units",
    "watched_units",
]
