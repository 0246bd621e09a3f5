"""Sealing with AES-256-GCM under a data key of the tenant, itself wrapped by the installation's key-encryption key.

Owns: data keys, the cipher and the form of a sealed value. Does not own: the key-encryption key's file (config reads it).
Invariant: a data key is remembered only after the transaction that drew it has committed; otherwise a roll-back
would leave values sealed with a key that exists nowhere.
Source: security page, section 2 rule 21.
"""

import hashlib
import secrets
import threading
from datetime import UTC, datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, transaction

from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.kernel.sealing import Place, Sealer

_FORM = b"\x01"
_US = "\x1f"
_NONCE_BYTES = 12
_HEADER_BYTES = 5 + _NONCE_BYTES


def seal_with(key: bytes, version: int, tenant: UUID, place: Place, plain: bytes, nonce: bytes) -> bytes:
    """Return `01 | version u32 BE | nonce 12 | ciphertext | tag 16`."""
    return _FORM + version.to_bytes(4, "big") + nonce + AESGCM(key).encrypt(nonce, plain, _bound_to(version, tenant, place))


def open_with(key: bytes, tenant: UUID, place: Place, sealed: bytes) -> bytes:
    """Return the plain bytes of a value sealed by `seal_with` for this very place."""
    version, nonce = version_of(sealed), sealed[5:_HEADER_BYTES]
    try:
        return AESGCM(key).decrypt(nonce, sealed[_HEADER_BYTES:], _bound_to(version, tenant, place))
    except InvalidTag as error:
        raise Invalid("sealing.not_of_this_place", "The sealed value was changed, or belongs to another row, column or tenant.") from error


def version_of(sealed: bytes) -> int:
    if len(sealed) < _HEADER_BYTES + 16 or sealed[:1] != _FORM:
        raise Invalid("sealing.not_of_this_place", "This is not a sealed value.")
    return int.from_bytes(sealed[1:5], "big")


def _bound_to(version: int, tenant: UUID, place: Place) -> bytes:
    return _US.join(["mainstay.v1", str(tenant), place.table, place.column, place.row, str(version)]).encode()


class TenantSealer:
    """The sealer of an installation: one key-encryption key, one data key per tenant and version."""

    def __init__(self, kek: bytes) -> None:
        if len(kek) != 32:
            raise ValueError("the key-encryption key has 32 bytes")
        self._kek = kek
        self.kek_id = hashlib.sha256(b"mainstay-kek-v1" + kek).hexdigest()[:16]
        self._lock = threading.Lock()
        self._keys: dict[tuple[UUID, int], bytes] = {}
        self._active: dict[UUID, int] = {}

    def seal(self, tenant: UUID, place: Place, plain: bytes) -> bytes:
        version, key = self._active_key(tenant)
        return seal_with(key, version, tenant, place, plain, secrets.token_bytes(_NONCE_BYTES))

    def open(self, tenant: UUID, place: Place, sealed: bytes) -> bytes:
        return open_with(self._key(tenant, version_of(sealed)), tenant, place, sealed)

    def _active_key(self, tenant: UUID) -> tuple[int, bytes]:
        version = self._active.get(tenant)
        if version is not None:
            return version, self._keys[tenant, version]
        version, key = self._load_active(tenant) or self._draw(tenant)
        transaction.on_commit(lambda: self._remember(tenant, version, key, is_active=True))
        return version, key

    def _key(self, tenant: UUID, version: int) -> bytes:
        known = self._keys.get((tenant, version))
        if known is not None:
            return known
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT wrapped, kek_id FROM ledger_data_key WHERE tenant = %s AND version = %s AND state <> 'destroyed'", [tenant, version]
            )
            row = cursor.fetchone()
        if row is None:
            raise Unavailable("sealing.key_destroyed", "The key of this value has been destroyed.", retryable=False)
        return self._unwrap(tenant, version, bytes(row[0]), row[1])

    def _load_active(self, tenant: UUID) -> tuple[int, bytes] | None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT version, wrapped, kek_id FROM ledger_data_key WHERE tenant = %s AND state = 'active' ORDER BY version DESC LIMIT 1",
                [tenant],
            )
            row = cursor.fetchone()
        return None if row is None else (row[0], self._unwrap(tenant, row[0], bytes(row[1]), row[2]))

    def _draw(self, tenant: UUID) -> tuple[int, bytes]:
        key = AESGCM.generate_key(256)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = nonce + AESGCM(self._kek).encrypt(nonce, key, self._wrapping(tenant, 1))
        with connection.cursor() as cursor:
            # A second transaction that draws the first key waits here for the winner, and then uses the winner's.
            cursor.execute(
                "INSERT INTO ledger_data_key (tenant, version, wrapped, kek_id, state, created_at)"
                " VALUES (%s, 1, %s, %s, 'active', %s) ON CONFLICT DO NOTHING",
                [tenant, wrapped, self.kek_id, datetime.now(UTC)],
            )
        loaded = self._load_active(tenant)
        if loaded is None:
            raise Unavailable("sealing.no_active_key", "The tenant has no active data key.", retryable=False)
        return loaded

    def _unwrap(self, tenant: UUID, version: int, wrapped: bytes, kek_id: str) -> bytes:
        if kek_id != self.kek_id:
            raise Unavailable("sealing.other_kek", f"The data key needs the key-encryption key {kek_id}.", retryable=False)
        return AESGCM(self._kek).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], self._wrapping(tenant, version))

    def _remember(self, tenant: UUID, version: int, key: bytes, *, is_active: bool) -> None:
        with self._lock:
            self._keys[tenant, version] = key
            if is_active:
                self._active[tenant] = version

    @staticmethod
    def _wrapping(tenant: UUID, version: int) -> bytes:
        return _US.join(["mainstay.v1.kek", str(tenant), str(version)]).encode()


_sealer: Sealer | None = None


def configure_sealer(sealer: Sealer | None) -> None:
    """Plug in the installation's sealer; done once, by the wiring."""
    global _sealer
    _sealer = sealer


def current_sealer() -> Sealer:
    if _sealer is None:
        raise Unavailable("sealing.not_configured", "No key-encryption key is configured, so no body can be kept.", retryable=False)
    return _sealer
