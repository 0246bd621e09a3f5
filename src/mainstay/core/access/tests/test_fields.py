"""Field encryption."""

from itertools import product
from uuid import UUID

import pytest
from django.db import transaction

from mainstay.core.access.fields import USES_BLOCK, USES_MAX, FieldSealer, open_with, seal_with, version_of
from mainstay.core.access.models import DataKey
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.kernel.sealing import Place

KEY, NONCE = bytes(range(32)), bytes(range(12))
TENANT = UUID("00000000-0000-7000-8000-000000000001")
PLACE = Place("access_token", "secret", "00000000-0000-7000-8000-00000000000a")
SEALED = bytes.fromhex("0100000001000102030405060708090a0b246da469a086b63be52ee5f8d46ca64318e4ecbf6c40078339d04b9721")


def sealer() -> FieldSealer:
    return FieldSealer(lambda: bytes(32))


def test_the_vector_of_the_specification_comes_out():
    assert seal_with(KEY, 1, TENANT, PLACE, b"correct horse", NONCE) == SEALED
    assert open_with(KEY, TENANT, PLACE, SEALED) == b"correct horse"


@pytest.mark.parametrize(
    ("tenant", "place"),
    [
        (UUID("00000000-0000-7000-8000-000000000002"), PLACE),
        (TENANT, Place("access_token", "label", PLACE.row)),
        (TENANT, Place("access_person", "secret", PLACE.row)),
        (TENANT, Place("access_token", "secret", "00000000-0000-7000-8000-00000000000b")),
    ],
)
def test_a_value_copied_elsewhere_does_not_open(tenant, place):
    with pytest.raises(Invalid):
        open_with(KEY, tenant, place, SEALED)


def test_no_changed_bit_opens():
    opened = []
    for place, bit in product(range(len(SEALED)), range(8)):
        changed = bytearray(SEALED)
        changed[place] ^= 1 << bit
        try:
            opened.append(open_with(KEY, TENANT, PLACE, bytes(changed)))
        except Invalid:
            continue

    assert opened == []


def test_a_tenant_has_a_key_of_its_own_and_opens_what_it_sealed(db):
    one, other, keeper = new_id(), new_id(), sealer()
    with tenant_transaction(one):
        sealed = keeper.seal(one, PLACE, b"text")
        assert keeper.open(one, PLACE, sealed) == b"text"
    with tenant_transaction(other), pytest.raises(Unavailable) as caught:
        keeper.open(other, PLACE, sealed)

    assert caught.value.code == "sealing.key_destroyed"


def test_a_key_is_replaced_when_it_has_had_its_uses(db):
    tenant, keeper = new_id(), sealer()
    with tenant_transaction(tenant):
        before = keeper.seal(tenant, PLACE, b"before")
        DataKey.objects.filter(tenant=tenant).update(uses=USES_MAX)
        after = keeper.seal(tenant, PLACE, b"after")
        rows = list(DataKey.objects.filter(tenant=tenant).order_by("version").values_list("version", "state"))
        opened = [keeper.open(tenant, PLACE, one) for one in (before, after)]

    assert (version_of(before), version_of(after)) == (1, 2)
    assert rows == [(1, "decrypt_only"), (2, "active")]
    assert opened == [b"before", b"after"]


@pytest.mark.django_db(transaction=True)
def test_a_key_that_was_rolled_back_is_not_remembered():
    tenant, keeper = new_id(), sealer()
    with tenant_transaction(tenant):
        keeper.seal(tenant, PLACE, b"lost")
        transaction.set_rollback(True)
    with tenant_transaction(tenant):
        sealed = keeper.seal(tenant, PLACE, b"kept")
        again = keeper.seal(tenant, PLACE, b"again")
    with tenant_transaction(tenant):
        keys = list(DataKey.objects.values_list("tenant", "version"))
        opened = [sealer().open(tenant, PLACE, one) for one in (sealed, again, keeper.seal(tenant, PLACE, b"third"))]

    assert keys == [(tenant, 1)]
    assert opened == [b"kept", b"again", b"third"]


def test_another_key_encryption_key_opens_nothing(db):
    tenant = new_id()
    with tenant_transaction(tenant):
        sealed = sealer().seal(tenant, PLACE, b"text")
        with pytest.raises(Unavailable) as caught:
            FieldSealer(lambda: bytes(31) + b"x").open(tenant, PLACE, sealed)

    assert caught.value.code == "sealing.other_kek"


def test_uses_are_counted_in_blocks(db):
    tenant, keeper = new_id(), sealer()
    with tenant_transaction(tenant):
        keeper.seal(tenant, PLACE, b"text")
        row = DataKey.objects.get(tenant=tenant)

    assert row.uses == USES_BLOCK
