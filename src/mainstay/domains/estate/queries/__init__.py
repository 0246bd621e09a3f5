"""Reads of the estate."""

from mainstay.domains.estate.queries.devices import (
    changes,
    device,
    device_key,
    devices,
    fact,
    facts,
    health_rows,
    history,
    public_key,
    silent_devices,
    unit_state,
    units,
    watched_units,
)
from mainstay.domains.estate.queries.lists import DEVICES
from mainstay.domains.estate.queries.panel import Group, Panel, device_panel
from mainstay.domains.estate.queries.routes import Home, key_home, refusals, refused_since

__all__ = [
    "DEVICES",
    "Group",
    "Home",
    "Panel",
    "changes",
    "device",
    "device_key",
    "device_panel",
    "devices",
    "fact",
    "facts",
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
