"""Keys and signatures on which Ed25519 libraries disagree are refused before a library is asked."""

import hashlib

import pytest

from mainstay_trust import keys
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Keyring, Role
from mainstay_verify import mainstay_verify as verifier

from .signers import key, signer, verify, verify_openssl

P, L = keys.PRIME, keys.ORDER
ORDER_8_Y = next(y for y in keys._SMALL_ORDER_Y if y not in (0, 1, P - 1))


def point(y, sign=0):
    square = (y * y - 1) * pow(verifier._D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * verifier._ROOT_OF_MINUS_1 % P
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


TORSION = point(ORDER_8_Y)
IDENTITY = (0, 1, 1, 0)


def times(scalar, base=None):
    return verifier._multiply(scalar, base or verifier._BASE)


def plus(p, q):
    return verifier._add(p, q)


def challenge(r, a, message):
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def made(a_torsion, r_torsion, *, holds_without_cofactor, a=12345, r=67890):
    """Return (A, message, signature) with the given torsion parts, where the plain equation does or does not hold."""
    public_point = plus(times(a), times(a_torsion, TORSION))
    nonce_point = plus(times(r), times(r_torsion, TORSION))
    public, nonce = verifier._compress(public_point), verifier._compress(nonce_point)
    for number in range(200):
        message = b"message %d" % number
        k = challenge(nonce, public, message)
        if ((r_torsion + k * a_torsion) % 8 == 0) is holds_without_cofactor:
            return public, message, nonce + ((r + k * a) % L).to_bytes(32, "little")
    raise AssertionError("no message found")


def with_s(case, s):
    public, message, signature = case
    return public, message, signature[:32] + s.to_bytes(32, "little")


def small_nonce(encoded):
    """R of small order: S = k a makes the equation hold, and OpenSSL accepts it where libsodium does not."""
    a, message = 12345, b"small R"
    public = verifier._compress(times(a))
    return public, message, encoded + (challenge(encoded, public, message) * a % L).to_bytes(32, "little")


def small_public(encoded, r=67890):
    nonce = verifier._compress(times(r))
    message = next(b"m %d" % n for n in range(100) if challenge(nonce, encoded, b"m %d" % n) % 8 == 0)
    return encoded, message, nonce + r.to_bytes(32, "little")


HONEST = made(0, 0, holds_without_cofactor=True)
TORSION_BYTES = verifier._compress(TORSION)
NON_CANONICAL_IDENTITY = (P + 1).to_bytes(32, "little")
CASES = {
    "small A, small R, S = 0": (TORSION_BYTES, b"m", verifier._compress(IDENTITY) + bytes(32)),
    "small A": small_public(TORSION_BYTES),
    "small R": small_nonce(verifier._compress(IDENTITY)),
    "mixed A and R, holds": made(1, 3, holds_without_cofactor=True),
    "mixed A and R, only with cofactor": made(1, 3, holds_without_cofactor=False),
    "mixed A, only with cofactor": made(1, 0, holds_without_cofactor=False),
    "S + L": with_s(HONEST, int.from_bytes(HONEST[2][32:], "little") + L),
    "S far above L": with_s(HONEST, 2**256 - 1),
    "R not canonical": small_nonce(NON_CANONICAL_IDENTITY),
    "R not canonical, minus zero": small_nonce((1 | 1 << 255).to_bytes(32, "little")),
    "A not canonical": small_public(NON_CANONICAL_IDENTITY),
    "A not canonical, sign of zero": small_public((P - 1 | 1 << 255).to_bytes(32, "little")),
}
ACCEPTED = {"mixed A and R, holds"}


@pytest.mark.parametrize("name", CASES)
def test_libsodium_openssl_and_pure_python_agree_on_every_edge(name):
    public, message, signature = CASES[name]

    verdicts = [keys.signature_holds(library, public, message, signature) for library in (verify, verify_openssl)]
    verdicts += [check(public, message, signature) for check in (verifier.verify_in_python, verifier.verify_signature)]

    assert verdicts == [name in ACCEPTED] * 4


def test_there_are_twelve_edges_and_the_bare_libraries_differ_on_some():
    differing = [name for name, case in CASES.items() if verify(*case) is not verify_openssl(*case)]

    assert len(CASES) == 12
    assert differing


def test_the_small_order_points_are_the_eight_of_the_curve():
    orders = {
        y: next(n for n in (1, 2, 4, 8) if verifier._compress(times(n, point(y))) == verifier._compress(IDENTITY))
        for y in keys._SMALL_ORDER_Y
    }

    assert sorted(orders.values()) == [1, 2, 4, 8, 8]
    assert keys._SMALL_ORDER_Y == verifier._SMALL_ORDER_Y


def test_an_honest_signature_holds_everywhere():
    assert keys.signature_holds(verify, *HONEST)
    assert verifier.verify_in_python(*HONEST)


@pytest.mark.parametrize("y", sorted(keys._SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_of_small_order_is_refused(y, sign):
    with pytest.raises(Rejected, match="bad_key"):
        keys.check_public((y | sign << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), P.to_bytes(32, "little"), b"\xff" * 32, (2).to_bytes(32, "little")])
def test_what_is_not_a_point_is_refused(public):
    with pytest.raises(Rejected, match="bad_key"):
        keys.check_public(public)


def test_every_honest_key_is_admitted():
    for seed in range(1, 60):
        assert keys.check_public(signer(seed).public) == signer(seed).public


def test_a_listed_key_id_must_be_the_keys_own():
    public = signer(1).public

    assert keys.check_key_id(keys.key_id(public), public) == keys.key_id(public)
    with pytest.raises(Rejected, match="bad_keyid"):
        keys.check_key_id(keys.key_id(signer(2).public), public)


@pytest.mark.parametrize("text", ["8A" * 32, "8a" * 31, "8a" * 33, " " + "8a" * 31 + " ", None, 7])
def test_hex_has_one_spelling(text):
    with pytest.raises(Rejected):
        keys.bytes_from_hex(text, 32, code="bad_key")


def test_a_threshold_counts_people_and_not_keys():
    nadia, nadia_again, omar = key(20, "Nadia"), key(23, "Nadia"), key(21, "Omar")
    ring, role = Keyring.of([nadia, nadia_again, omar]), Role((nadia, nadia_again, omar), 2)

    def reached(*signed):
        return ring.quorum(role, [one.key_id for one in signed], at=0).is_reached

    assert (reached(nadia, nadia_again), reached(nadia, nadia), reached(nadia, omar)) == (False, False, True)


def test_a_threshold_of_zero_is_never_reached():
    nadia = key(20, "Nadia")

    assert not Keyring.of([nadia]).quorum(Role((nadia,), 0), [nadia.key_id], at=0).is_reached


def test_a_second_valid_key_stands_in_for_a_revoked_one():
    old, new = key(20, "Nadia"), key(23, "Nadia")
    quorum = Keyring.of([old, new], revoked=[old.key_id]).quorum(Role((old, new), 1), [old.key_id, new.key_id], at=0)

    assert (quorum.is_reached, quorum.lapsed) == (True, frozenset())
