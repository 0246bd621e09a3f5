"""The policy document: what a device allows, to whom, how often (rules K4 and K5).

Owns: parsing into frozen dataclasses, the rising epoch, the allow-lists that checks and healing read.
Does not own: thresholds of the `policy` role (they stand in `roots`), windows in local time (`windows`).
Invariant: a policy takes effect only above the stored epoch; two policies of one epoch are equivocation and both are kept.
"""

import fnmatch
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mainstay_trust import canonical
from mainstay_trust.budgets import DEFAULT_LIMITS, Limit, read_limit
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import POLICY, Envelope, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, Keyring, Verify, public_from_hex
from mainstay_trust.members import CROCKFORD_ID, Members
from mainstay_trust.notes import COSIGNER_KEY, LOG_KEY, SIGNATURES_MAX, Vkey, parse_vkey
from mainstay_trust.roots import Root
from mainstay_trust.windows import Freeze, Window, read_freeze, read_window

LIFE_S_MAX = 100 * 86400
LIFE_S_DEFAULT = 90 * 86400
MAX_OFFLINE_S_DEFAULT = 30 * 86400
MAX_TARGETS_DEFAULT = 50
ALARM_URLS_MAX = 3
WITNESSES_MAX = SIGNATURES_MAX - 1  # all of them and the log itself fit into one note
TIERS = ("T0", "T1", "T2", "T3")
PROTECTED_UNITS = ("mainstay-*", "mainstay.*", "sshd*", "ssh.*", "ssh", "ssh@*", "systemd-*", "dbus*")
_NAMES = (
    *("v", "tenant", "epoch", "issued", "expires", "reduced", "keys", "revoked", "urls", "pins", "tls_mode", "tiers", "groups"),
    *("services", "log_sources", "probe_targets", "package_origins", "windows", "freezes", "budgets", "heal", "max_offline_s"),
    *("max_targets", "require_logged", "witness_quorum", "alarm_urls", "update", "protected", "damage_bound"),
)
_SERVICE = ("name", "manager", "unit", "start", "stop", "status", "reload", "probe", "allow", "devices", "user", "cwd")
_UNIT = re.compile(r"[A-Za-z0-9_@.:\\][A-Za-z0-9_@.:\\\-]{0,127}")
_TARGET = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}:[0-9]{1,5}")
_HASH = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[a-z_][a-z0-9_\-]{0,31}")
_VERBS = frozenset({"start", "restart", "reload"})


@dataclass(frozen=True)
class Probe:
    kind: str
    host: str
    port: int


@dataclass(frozen=True)
class Service:
    """A service that T1 may start, restart or reload; with manager `argv` the policy itself says how."""

    name: str
    manager: str
    unit: str
    start: tuple[str, ...] | None
    stop: tuple[str, ...] | None
    status: tuple[str, ...] | None
    reload: tuple[str, ...] | None
    probe: Probe | None
    allow: frozenset[str]
    devices: frozenset[str] | None
    user: str | None
    cwd: str | None

    def is_for(self, device: str) -> bool:
        return self.devices is None or device in self.devices


@dataclass(frozen=True)
class Policy:
    """One epoch of the policy of a tenant."""

    tenant: str
    epoch: int
    issued: int
    expires: int
    reduced: bool
    server_keys: tuple[Key, ...]
    reply_keys: tuple[Key, ...]
    ledger_keys: tuple[Vkey, ...]
    witness_keys: tuple[Vkey, ...]
    revoked: frozenset[str]
    urls: tuple[str, ...]
    pins: tuple[str, ...]
    tls_mode: str
    tiers: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]
    services: tuple[Service, ...]
    log_sources: tuple[str, ...]
    probe_targets: tuple[str, ...]
    package_origins: tuple[str, ...]
    windows: tuple[Window, ...]
    freezes: tuple[Freeze, ...]
    budgets: Mapping[str, Limit]
    heal: tuple[JSON, ...]
    max_offline_s: int
    max_targets: int
    require_logged: bool
    witness_quorum: int
    alarm_urls: tuple[str, ...]
    update_mode: str
    payload: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()

    def tier_of(self, device: str) -> str:
        """Return the highest tier enabled for a device: the lowest of its groups' tiers, else the default."""
        named = [self.tiers[group] for group in self.groups.get(device, ()) if group in self.tiers]
        return min(named) if named else self.tiers["default"]

    def service(self, unit: str, device: str) -> Service | None:
        """Return the service listed under a unit for this device."""
        return next((service for service in self.services if service.unit == unit and service.is_for(device)), None)

    def limit(self, budget: str) -> Limit:
        """Return a budget: the policy's own, else the product's default."""
        return self.budgets.get(budget) or DEFAULT_LIMITS[budget]


def parse_policy(payload: bytes) -> Policy:
    """Read a policy payload. Errors: Rejected: bad_policy, bad_key, bad_vkey."""
    members = Members(_object(payload), code="bad_policy", names=_NAMES)
    members.count("v", least=1, most=1)
    keys = Members(members.raw("keys"), code="bad_policy", names=("server", "reply", "ledger"), optional=("witness",))
    policy = Policy(
        tenant=members.text("tenant", form=CROCKFORD_ID),
        epoch=members.count("epoch", least=1),
        issued=members.count("issued"),
        expires=members.count("expires"),
        reduced=members.flag("reduced"),
        server_keys=keys.items("server", _key, most=8),
        reply_keys=keys.items("reply", _key, most=8),
        ledger_keys=keys.items("ledger", _log_key, most=8),
        # Absent in policies that were signed before there were any: then nobody is a witness.
        witness_keys=keys.items("witness", _witness_key, most=WITNESSES_MAX) if keys.has("witness") else (),
        revoked=frozenset(members.texts("revoked", form=_HASH)),
        urls=members.texts("urls", most=16),
        pins=members.texts("pins", most=32, form=_HASH),
        tls_mode=members.choice("tls_mode", ("pin", "pin_or_ca")),
        tiers=_tiers(members.record("tiers")),
        groups=_groups(members.record("groups")),
        services=members.items("services", _service, most=500),
        log_sources=members.texts("log_sources"),
        probe_targets=members.texts("probe_targets", form=_TARGET),
        package_origins=members.texts("package_origins"),
        windows=members.items("windows", read_window),
        freezes=members.items("freezes", read_freeze),
        budgets={name: read_limit(value, code="bad_policy") for name, value in members.record("budgets").items()},
        heal=members.items("heal", _opaque),
        max_offline_s=members.count("max_offline_s", least=3600, most=100 * 86400),
        max_targets=members.count("max_targets", least=1, most=100_000),
        require_logged=members.flag("require_logged"),
        witness_quorum=members.count("witness_quorum", most=1000),
        alarm_urls=members.texts("alarm_urls", most=ALARM_URLS_MAX),
        update_mode=_update_mode(members.raw("update")),
        payload=payload,
    )
    members.texts("protected")
    members.record("damage_bound")
    if len({vkey.public for vkey in policy.witness_keys}) != len(policy.witness_keys):
        raise Rejected("bad_policy", "one witness key under two names would count twice")
    if not policy.issued < policy.expires <= policy.issued + LIFE_S_MAX:
        raise Rejected("bad_policy", "a policy lives at most 100 days")
    return policy


def next_policy(current: Policy | None, root: Root, envelope: Envelope, verify: Verify, *, at: int) -> Policy:
    """Return the policy to store: a newer epoch, or the current one again when its own bytes are offered.

    Errors: Rejected: bad_type, bad_policy, wrong_tenant, no_root (expired), threshold, key_revoked, epoch_old, policy_equivocation.
    The signature is judged first, so that equivocation is only ever reported about a policy that was really signed.
    """
    policy = _opened(envelope)
    if policy.tenant != root.tenant:
        raise Rejected("wrong_tenant", "the policy of another tenant")
    if at > root.expires:
        raise Rejected("no_root", "the root that could vouch for it has expired")
    role = root.role("policy")
    revoked = current.revoked if current else frozenset()
    quorum = Keyring.of(role.keys, revoked).quorum(role, signed_by(envelope, role.keys, verify), at=at)
    if not quorum.is_reached:
        raise Rejected(quorum.failure, f"{len(quorum.holders)} of {role.threshold} holders of the policy role signed")
    return policy if current is None else _newer(current, policy)


def is_protected(unit: str) -> bool:
    """Tell whether a unit may never be touched by T1: the agent itself, the way in, the init system."""
    return any(fnmatch.fnmatchcase(unit, pattern) for pattern in PROTECTED_UNITS)


def policy_template(*, tenant: str, epoch: int, issued: int) -> dict[str, JSON]:
    """Return the members of a policy with the product's defaults; keys, services and lists are for the caller to fill."""
    return {
        "v": 1,
        "tenant": tenant,
        "epoch": epoch,
        "issued": issued,
        "expires": issued + LIFE_S_DEFAULT,
        "reduced": False,
        "keys": {"server": [], "reply": [], "ledger": []},
        **{name: [] for name in ("revoked", "urls", "pins", "services", "log_sources", "probe_targets", "package_origins")},
        **{name: [] for name in ("windows", "freezes", "heal", "alarm_urls", "protected")},
        "tls_mode": "pin",
        "tiers": {"default": "T1"},
        "groups": {},
        "budgets": {name: limit.as_json() for name, limit in DEFAULT_LIMITS.items()},
        "max_offline_s": MAX_OFFLINE_S_DEFAULT,
        "max_targets": MAX_TARGETS_DEFAULT,
        "require_logged": True,
        "witness_quorum": 0,
        "update": {"mode": "frozen"},
        "damage_bound": {},
    }


def _newer(current: Policy, policy: Policy) -> Policy:
    if policy.payload == current.payload:
        return current
    if policy.epoch < current.epoch:
        raise Rejected("epoch_old", f"epoch {policy.epoch} is below {current.epoch}")
    if policy.epoch == current.epoch:
        raise Rejected("policy_equivocation", f"two different policies of epoch {policy.epoch} are signed")
    return policy


def _opened(envelope: Envelope) -> Policy:
    if envelope.payload_type != POLICY:
        raise Rejected("bad_type", "not a policy document")
    return parse_policy(envelope.payload)


def _object(payload: bytes) -> JSON:
    try:
        return canonical.parse_object(payload)
    except Rejected as error:
        raise Rejected("bad_policy", error.detail) from error


def _key(value: object) -> Key:
    members = Members(value, code="bad_policy", names=("pub", "holder", "expires"))
    return Key(public_from_hex(members.raw("pub")), members.text("holder", most=100), members.count_or_none("expires"))


def _log_key(value: object) -> Vkey:
    members = Members(value, code="bad_policy", names=("origin", "vkey"))
    vkey = parse_vkey(members.text("vkey"))
    if vkey.kind != LOG_KEY or vkey.name != members.text("origin"):
        raise Rejected("bad_policy", "a log key is named by its origin")
    return vkey


def _witness_key(value: object) -> Vkey:
    members = Members(value, code="bad_policy", names=("name", "vkey"))
    vkey = parse_vkey(members.text("vkey"))
    if vkey.kind != COSIGNER_KEY or vkey.name != members.text("name"):
        raise Rejected("bad_policy", "a witness key is a cosigner's and is named by its witness")
    return vkey


def _tiers(value: Mapping[str, JSON]) -> dict[str, str]:
    tiers = {group: tier for group, tier in value.items() if isinstance(tier, str) and tier in TIERS}
    if len(tiers) != len(value) or "default" not in tiers:
        raise Rejected("bad_policy", "tiers name T0 to T3 and a default")
    return tiers


def _groups(value: Mapping[str, JSON]) -> dict[str, tuple[str, ...]]:
    read = Members(value, code="bad_policy", names=value.keys())
    return {device: read.texts(device, most=50) for device in value}


def _service(value: object) -> Service:
    members = Members(value, code="bad_policy", names=_SERVICE)
    service = Service(
        name=members.text("name", most=100),
        manager=members.choice("manager", ("systemd", "sysv", "argv")),
        unit=members.text("unit", form=_UNIT),
        start=members.texts_or_none("start"),
        stop=members.texts_or_none("stop"),
        status=members.texts_or_none("status"),
        reload=members.texts_or_none("reload"),
        probe=_probe(members.raw("probe")),
        allow=frozenset(members.texts("allow", most=3)),
        devices=None if not members.has("devices") else frozenset(members.texts("devices", form=CROCKFORD_ID)),
        user=members.text_or_none("user", form=_USER),
        cwd=members.text_or_none("cwd"),
    )
    if service.allow and is_protected(service.unit):
        raise Rejected("bad_policy", f"{service.unit} is protected and cannot be listed")
    if not service.allow <= _VERBS or (service.manager == "argv" and not (service.start and service.status)):
        raise Rejected("bad_policy", f"{service.name}: unknown verb, or no start and status command")
    return service


def _probe(value: JSON) -> Probe | None:
    if value is None:
        return None
    members = Members(value, code="bad_policy", names=("kind", "host", "port"))
    return Probe(members.choice("kind", ("tcp",)), members.text("host", most=255), members.count("port", least=1, most=65535))


def _update_mode(value: JSON) -> str:
    return Members(value, code="bad_policy", names=("mode",), optional=("version", "sha256", "min_age_s")).choice(
        "mode", ("auto", "pinned", "frozen")
    )


def _opaque(value: object) -> JSON:
    if not isinstance(value, dict):
        raise Rejected("bad_policy", "a list of objects is expected")
    return value
