"""Every write of the estate."""

from mainstay.domains.estate.services.codes import USES_MAX, NewCode, create_enrol_token, local_enrol_code, void_enrol_token
from mainstay.domains.estate.services.contact import Contact, Heartbeat, Seen, record_contact, record_heartbeat
from mainstay.domains.estate.services.devices import approve_device, quarantine_device, release_device, revoke_device, set_watch
from mainstay.domains.estate.services.enrol import Enrolled, Hello, Join, Machine, count_wrong_mac, hello, join, verify_ed25519
from mainstay.domains.estate.services.facts import GroupReport, store_facts
from mainstay.domains.estate.services.refusals import count_refusal
from mainstay.domains.estate.services.units import UNITS_MAX, UnitReport, record_unit_states

__all__ = [
    "UNITS_MAX",
    "USES_MAX",
    "Contact",
    "Enrolled",
    "GroupReport",
    "Heartbeat",
    "Hello",
    "Join",
    "Machine",
    "NewCode",
    "Seen",
    "UnitReport",
    "approve_device",
    "count_refusal",
    "count_wrong_mac",
    "create_enrol_token",
    "hello",
    "join",
    "local_enrol_code",
    "quarantine_device",
    "record_contact",
    "record_heartbeat",
    "record_unit_states",
    "release_device",
    "revoke_device",
    "set_watch",
    "store_facts",
    "verify_ed25519",
    "void_enrol_token",
]
