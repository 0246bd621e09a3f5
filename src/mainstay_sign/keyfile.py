"""Keys at rest: Argon2id makes a key of the passphrase, XChaCha20-Poly1305 seals each seed.

Owns: the keys file, opening and sealing seeds. Does not own: where the passphrase comes from (`passphrase`).
Invariant: public key and holder are bound to the sealed seed, so an entry cannot be relabelled; plaintext never reaches a disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nacl import pwhash, utils
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt, crypto_aead_xchacha20poly1305_ietf_encrypt
from nacl.exceptions import CryptoError

from mainstay_sign import files
from mainstay_sign.ed25519 import signer
from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import Signer
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, bytes_from_hex, key_id, public_from_hex
from mainstay_trust.members import Members

NONCE_BYTES, SALT_BYTES, TAG_BYTES = 24, 16, 16
PASSPHRASE_CHARACTERS_MIN = 8
MEMORY_BYTES_MAX = 2**31
COSTS = {
    "interactive": (pwhash.argon2id.OPSLIMIT_INTERACTIVE, pwhash.argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE),
    "sensitive": (pwhash.argon2id.OPSLIMIT_SENSITIVE, pwhash.argon2id.MEMLIMIT_SENSITIVE),
}


@dataclass(frozen=True)
class Sealed:
    """One key: its public half, and its seed under the file's passphrase."""

    public: bytes
    holder: str
    nonce: bytes
    box: bytes

    @property
    def key(self) -> Key:
        return Key(self.public, self.holder)

    @property
    def bound(self) -> bytes:
        return canonical.encode({"pub": self.public.hex(), "holder": self.holder})


@dataclass(frozen=True)
class KeyFile:
    """A file of keys under one passphrase; `ops` and `memory` are Argon2id's costs."""

    salt: bytes
    ops: int
    memory: int
    keys: Mapping[str, Sealed]

    @classmethod
    def new(cls, cost: str = "moderate") -> "KeyFile":
        ops, memory = COSTS[cost]
        return cls(utils.random(SALT_BYTES), ops, memory, {})

    @classmethod
    def load(cls, path: Path) -> "KeyFile":
        """Read a keys file. Errors: Rejected("no_file" | "bad_keys_file")."""
        try:
            return _parsed(canonical.parse_object(files.read(path)))
        except Rejected as error:
            raise Rejected(error.code if error.code == "no_file" else "bad_keys_file", error.detail) from error

    def save(self, path: Path) -> None:
        keys = {
            keyid: {"pub": k.public.hex(), "holder": k.holder, "nonce": k.nonce.hex(), "sealed": k.box.hex()}
            for keyid, k in self.keys.items()
        }
        kdf: JSON = {"name": "argon2id", "salt": self.salt.hex(), "ops": self.ops, "memory": self.memory}
        files.write(path, canonical.encode({"v": 1, "kdf": kdf, "keys": keys}) + b"\n", is_private=True)

    def with_new_key(self, holder: str, passphrase: str) -> tuple["KeyFile", Key]:
        """Return the file with one more key, made here. A file has one passphrase: another one is Rejected("bad_passphrase")."""
        if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
            raise Rejected("weak_passphrase", f"a passphrase has at least {PASSPHRASE_CHARACTERS_MIN} characters")
        if self.keys:
            self.signer(next(iter(self.keys)), passphrase)
        seed, nonce = utils.random(32), utils.random(NONCE_BYTES)
        entry = Sealed(signer(seed).public, holder, nonce, b"")
        box = crypto_aead_xchacha20poly1305_ietf_encrypt(seed, entry.bound, nonce, self._wrapping_key(passphrase))
        sealed = replace(entry, box=box)
        return replace(self, keys={**self.keys, sealed.key.key_id: sealed}), sealed.key

    def signer(self, keyid: str, passphrase: str) -> Signer:
        """Open one key. Errors: Rejected("no_key" | "bad_passphrase")."""
        sealed = self.find(keyid)
        try:
            seed = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed.box, sealed.bound, sealed.nonce, self._wrapping_key(passphrase))
        except CryptoError as error:
            raise Rejected("bad_passphrase", "the passphrase does not open the key, or the file was changed") from error
        opened = signer(seed)
        if opened.public != sealed.public:
            raise Rejected("bad_keys_file", "the seed is not that of the public key")
        return opened

    def find(self, keyid: str | None) -> Sealed:
        """Return the key whose id begins with `keyid`; without one the only key of the file. Errors: Rejected("no_key")."""
        found = [sealed for listed, sealed in self.keys.items() if listed.startswith(keyid or "")]
        if len(found) != 1:
            raise Rejected("no_key", f"{len(found)} keys of the file fit; name one with --key")
        return found[0]

    def _wrapping_key(self, passphrase: str) -> bytes:
        return pwhash.argon2id.kdf(32, passphrase.encode(), self.salt, opslimit=self.ops, memlimit=self.memory)


def _parsed(value: JSON) -> KeyFile:
    members = Members(value, code="bad_keys_file", names=("v", "kdf", "keys"))
    kdf = Members(members.raw("kdf"), code="bad_keys_file", names=("name", "salt", "ops", "memory"))
    kdf.choice("name", ("argon2id",))
    return KeyFile(
        salt=bytes_from_hex(kdf.raw("salt"), SALT_BYTES, code="bad_keys_file"),
        ops=kdf.count("ops", least=1, most=64),
        memory=kdf.count("memory", least=8192, most=MEMORY_BYTES_MAX),
        keys={keyid: _sealed(keyid, entry) for keyid, entry in members.record("keys").items()},
    )


def _sealed(keyid: str, value: JSON) -> Sealed:
    members = Members(value, code="bad_keys_file", names=("pub", "holder", "nonce", "sealed"))
    public = public_from_hex(members.raw("pub"))
    if keyid != key_id(public):
        raise Rejected("bad_keys_file", "a key is listed under another id")
    return Sealed(
        public,
        members.text("holder", most=100),
        bytes_from_hex(members.raw("nonce"), NONCE_BYTES, code="bad_keys_file"),
        bytes_from_hex(members.raw("sealed"), 32 + TAG_BYTES, code="bad_keys_file"),
    )
