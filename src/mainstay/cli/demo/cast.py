"""Who and what exists in the demonstration: tenants, people, sites, machines. Data, the same at every loading.

The names are invented; the intruder Iris works for another provider and is there to see nothing.
"""

from dataclasses import dataclass

DAYS = 14
PROVIDER, PROVIDER_PREFIX = "Northwind MSP", "NOR"


@dataclass(frozen=True)
class Client:
    slug: str
    name: str
    prefix: str
    zone: str
    profile: str
    sites: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Somebody:
    """`home`: a client's slug, "" for the provider, "southgate" for the other one."""

    login: str
    name: str
    home: str
    role: str
    does: str


@dataclass(frozen=True)
class Machine:
    """One simulated machine. `units`: the services that its agent watches. `quirks`: what is wrong with it."""

    name: str
    client: str
    site: str
    kind: str
    number: int
    units: tuple[str, ...] = ()
    quirks: frozenset[str] = frozenset()

    @property
    def is_server(self) -> bool:
        return self.kind == "server"


CLIENTS = (
    Client("harbor", "Harbor Law LLP", "HAR", "America/New_York", "standard", (("house", "Harbour House"), ("annexe", "Court Annexe"))),
    Client("elm", "Elm Street Clinic", "ELM", "America/Chicago", "regulated", (("clinic", "Elm Street"), ("lab", "Laboratory"))),
    Client("quay", "Quay Street Wealth", "QUAY", "Europe/London", "regulated", (("quay", "Quay Street"),)),
)

PEOPLE = (
    Somebody("tara", "Tara", "", "technician_3", "technician of the provider"),
    Somebody("omar", "Omar", "harbor", "client_admin", "approver at the law firm"),
    Somebody("paul", "Paul", "harbor", "end_user", "paralegal"),
    Somebody("clara", "Clara", "elm", "client_manager", "manager of the clinic"),
    Somebody("ada", "Ada", "elm", "auditor", "auditor of the clinic"),
    Somebody("iris", "Iris", "southgate", "technician_3", "of another provider: sees nothing"),
)
OWNER = Somebody("nadia", "Nadia", "", "owner", "owner of the provider")

DMS, EHR, DICOM, TRADES = "docvault.service", "chartline.service", "imagerouter.service", "tradedesk.service"
BACKUP_UNIT, WEB = "nightly-backup.service", "nginx.service"

_SERVERS = (
    Machine("har-dms-01", "harbor", "house", "server", 0, (DMS,)),
    Machine("har-web-01", "harbor", "house", "server", 0, (WEB,), frozenset({"certificate"})),
    Machine("har-fs-01", "harbor", "house", "server", 0, (), frozenset({"filling"})),
    Machine("har-prn-01", "harbor", "house", "server", 0, (), frozenset({"reboot"})),
    Machine("elm-ehr-01", "elm", "clinic", "server", 0, (EHR,)),
    Machine("elm-img-01", "elm", "lab", "server", 0, (DICOM,)),
    Machine("quay-app-01", "quay", "quay", "server", 0, (TRADES,)),
    Machine("quay-fs-01", "quay", "quay", "server", 0),
)
OUTDATED = ("elm-ws-02", "elm-ws-04", "har-lt-11")
UNPROTECTED = ("quay-ws-03",)
OFFLINE = "har-lt-07"
# One machine of each client has an audit of its own beside its client's.
AUDITED = ("har-prn-01", "elm-ehr-01", "quay-fs-01")
_STATIONS = (
    *(("harbor", "house", "har-lt", 24), ("harbor", "house", "har-ws", 12), ("harbor", "annexe", "har-an", 2)),
    *(("elm", "clinic", "elm-ws", 6), ("elm", "lab", "elm-lab", 2), ("quay", "quay", "quay-ws", 6)),
)


def machines() -> tuple[Machine, ...]:
    """Return the sixty machines, each with its number."""
    stations = [
        Machine(name := f"{stem}-{index:02}", client, site, "laptop" if "-lt" in stem else "desktop", 0, (), _quirks(name))
        for client, site, stem, count in _STATIONS
        for index in range(1, count + 1)
    ]
    listed = [*_SERVERS, *stations]
    return tuple(
        Machine(one.name, one.client, one.site, one.kind, number, one.units, one.quirks) for number, one in enumerate(listed, start=1)
    )


def _quirks(name: str) -> frozenset[str]:
    return frozenset(({"outdated"} if name in OUTDATED else set()) | ({"unprotected"} if name in UNPROTECTED else set()))
