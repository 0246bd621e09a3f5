"""Field encryption: AES-256-GCM under a data key of the tenant, itself wrapped by the installation's key-encryption key.

Owns: data keys, cipher, form of a sealed value. Does not own: the file of the key-encryption key (config reads it).
Invariants: a value opens only in its own row, column, table and tenant. A data key is remembered only after the transaction
that drew it has committed; otherwise a roll-back would leave values sealed with a key that exists nowhere.
Source: security page, section 2 rule 21.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from threading import Lock
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import IntegrityError, transaction
from django.db.models import F, Max

from mainstay.core.access.models import DataKey
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.kernel.sealing import Place

USES_MAX = 2**31
# Uses are counted in blocks that a process takes in advance: one write for many seals, and a crash only wastes part of a block.
USES_BLOCK = 2**20

_FORM = b"\x01"
_US = "\x1f"
_NONCE_BYTES = 12
_HEADER_BYTES = 5 + _NONCE_BYTES
_TAG_BYTES = 16


def seal_with(key: bytes, version: int, tenant: UUID, place: Place, plain: bytes, nonce: bytes) -> bytes:
    """Return `01 | version u32 BE | nonce 12 | ciphertext | tag 16`. A nonce is used once for a key, ever."""
    return _FORM + version.to_bytes(4, "big") + nonce + AESGCM(key).encrypt(nonce, plain, _bound_to(version, tenant, place))


def open_with(key: bytes, tenant: UUID, place: Place, sealed: bytes) -> bytes:
    """Return the plain bytes of a value sealed for this very place. Errors: Invalid("sealing.not_of_this_place")."""
    version, nonce = version_of(sealed), sealed[5:_HEADER_BYTES]
    try:
        return AESGCM(key).decrypt(nonce, sealed[_HEADER_BYTES:], _bound_to(version, tenant, place))
    except InvalidTag as error:
        raise Invalid("sealing.not_of_this_place", "The sealed value was changed, or belongs to another row, column or tenant.") from error


def version_of(sealed: bytes) -> int:
    """Return the version of the data key that sealed a value."""
    if len(sealed) < _HEADER_BYTES + _TAG_BYTES or sealed[:1] != _FORM:
        raise Invalid("sealing.not_of_this_place", "This is not a sealed value.")
    return int.from_bytes(sealed[1:5], "big")


def _bound_to(version: int, tenant: UUID, place: Place) -> bytes:
    return _US.join(("mainstay.v1", str(tenant), place.table, place.column, place.row, str(version))).encode()


class KeyWrap:
    """The key-encryption key: it wraps data keys and nothing else."""

    def __init__(self, kek: bytes) -> None:
        if len(kek) != 32:
            raise ValueError("the key-encryption key has 32 bytes")
        self._cipher = AESGCM(kek)
        self.kek_id = hashlib.sha256(b"mainstay-kek-v1" + kek).hexdigest()[:16]

    def wrap(self, tenant: UUID, version: int, key: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, _wrapping(tenant, version))

    def unwrap(self, row: DataKey) -> bytes:
        """Errors: Unavailable when the key was wrapped by another key-encryption key, or its bytes were changed."""
        if row.kek_id != self.kek_id:
            raise Unavailable("sealing.other_kek", f"The data key needs the key-encryption key {row.kek_id}.", retryable=False)
        wrapped = bytes(row.wrapped)
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _wrapping(row.tenant, row.version))
        except InvalidTag as error:
            raise Unavailable("sealing.key_damaged", "A wrapped data key was changed in the database.", retryable=False) from error


def _wrapping(tenant: UUID, version: int) -> bytes:
    return _US.join(("mainstay.v1.kek", str(tenant), str(version))).encode()


@dataclass
class _Active:
    """The key that a tenant seals with, and how many uses this process has taken."""

    version: int
    key: bytes
    left: int
    lock: Lock = field(default_factory=Lock)

    def take(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0


class FieldSealer:
    """Seals a value for the one tenant, table, column and row where it belongs; opens it there and nowhere else.

    Runs inside a transaction bound to the tenant. A process that seals nothing never opens the key file.
    """

    def __init__(self, kek: Callable[[], bytes]) -> None:
        self._kek = kek
        self._active: dict[UUID, _Active] = {}
        self._known: dict[tuple[UUID, int], bytes] = {}

    def seal(self, tenant: UUID, place: Place, plain: bytes) -> bytes:
        active = self._active.get(tenant)
        if active is None or not active.take():
            active = self._take_block(tenant)
            transaction.on_commit(lambda: self._remember(tenant, active))
        return seal_with(active.key, active.version, tenant, place, plain, secrets.token_bytes(_NONCE_BYTES))

    def open(self, tenant: UUID, place: Place, sealed: bytes) -> bytes:
        return open_with(self._key(tenant, version_of(sealed)), tenant, place, sealed)

    @cached_property
    def _wrap(self) -> KeyWrap:
        return KeyWrap(self._kek())

    def _take_block(self, tenant: UUID) -> _Active:
        """Reserve uses of the active key; draw the first one, or the next when this one has had its 2^31."""
        row = self._reserve(tenant) or self._draw(tenant)
        if row.uses > USES_MAX:
            DataKey.objects.filter(id=row.id).update(state=DataKey.State.DECRYPT_ONLY)
            row = self._draw(tenant)
        return _Active(row.version, self._wrap.unwrap(row), USES_BLOCK - 1)

    def _reserve(self, tenant: UUID) -> DataKey | None:
        rows = DataKey.objects.filter(tenant=tenant, state=DataKey.State.ACTIVE)
        return rows.get() if rows.update(uses=F("uses") + USES_BLOCK) else None

    def _draw(self, tenant: UUID) -> DataKey:
        """Draw the key after the newest. Of two transactions that do so at once the second waits, and uses the winner's."""
        version = (DataKey.objects.filter(tenant=tenant).aggregate(newest=Max("version"))["newest"] or 0) + 1
        key = AESGCM.generate_key(256)
        row = DataKey(tenant=tenant, version=version, wrapped=self._wrap.wrap(tenant, version, key), kek_id=self._wrap.kek_id)
        row.uses, row.created_at = USES_BLOCK, datetime.now(UTC)  # a key's own age; no business rule reads it
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            winner = self._reserve(tenant)
            if winner is None:
                raise
            return winner
        return row

    def _key(self, tenant: UUID, version: int) -> bytes:
        known = self._known.get((tenant, version))
        if known is not None:
            return known
        row = DataKey.objects.filter(tenant=tenant, version=version).exclude(state=DataKey.State.DESTROYED).first()
        if row is None:
            raise Unavailable("sealing.key_destroyed", "The key of this value has been destroyed.", retryable=False)
        return self._wrap.unwrap(row)

    def _remember(self, tenant: UUID, active: _Active) -> None:
        self._known[tenant, active.version] = active.key
        self._active[tenant] = active
