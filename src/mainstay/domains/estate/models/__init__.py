"""Tables of the estate, one file per noun."""

from mainstay.domains.estate.models.device import Device, DeviceKey, DeviceState, Lifecycle
from mainstay.domains.estate.models.enrolment import EnrolToken, Refusal, Route
from mainstay.domains.estate.models.facts import Fact, FactChange, Package, PackageHistory
from mainstay.domains.estate.models.units import UnitState

__all__ = [
    "Device",
    "DeviceKey",
    "DeviceState",
    "EnrolToken",
    "Fact",
    "FactChange",
    "Lifecycle",
    "Package",
    "PackageHistory",
    "Refusal",
    "Route",
    "UnitState",
]
