"""Ledger entries verified per second by the auditor's program, offline, over a pack of one million leaves.

The pack is made here, with leaves of usual size and withheld bodies; what is timed is the program as an auditor runs it,
its start included: reading, every leaf's form and number, the whole tree, the signature.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nacl.signing import SigningKey

from bench.figures import figure
from mainstay_trust import pack
from mainstay_trust.merkle import Frontier, leaf_hash
from mainstay_trust.notes import LOG_KEY, Checkpoint, Vkey, sign_checkpoint

NAMES = ("ledger_verify_per_s",)
ENTRIES = 1_000_000
ROUNDS = 3
ORIGIN = "mainstay.aaaaaaaaaaaaaaaa/t/00000000-0000-7000-8000-000000000001/1"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as folder:
        file, policy = Path(folder, "log.zip"), Path(folder, "policy.txt")
        write_pack(file, policy)
        print(figure(NAMES[0], [one_round(file, policy) for _ in range(ROUNDS)], "1/s"))


def leaves() -> Iterator[bytes]:
    """Yield leaves as the sequencer writes them; by template, since a million encodings are not what is measured."""
    for seq in range(ENTRIES):
        yield (
            f'{{"act":"desk.incident.changed","actor":"p:q7","at":"2026-01-15T{seq // 41_667 % 24:02d}:00:00.000Z",'
            f'"body":"{seq:064x}","log":"{ORIGIN}","obj":"desk.incident:{seq:032x}","out":"ok","seq":{seq},"v":1,"via":"web"}}'
        ).encode()


def write_pack(file: Path, policy: Path) -> None:
    key, edge = SigningKey(bytes(range(32))), Frontier()
    for leaf in leaves():
        edge.append(leaf_hash(leaf))
    vkey = Vkey(ORIGIN, LOG_KEY, bytes(key.verify_key))
    note = sign_checkpoint(Checkpoint(ORIGIN, ENTRIES, edge.root()), vkey, lambda message: bytes(key.sign(message).signature))
    policy.write_text(pack.policy_text([vkey]))
    with file.open("wb") as out:
        pack.write_zip(out, pack.log_pack(leaves=leaves(), checkpoint=note.encode(), policy=policy.read_text()))


def one_round(file: Path, policy: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mainstay_verify", "pack", str(file), "--policy", str(policy)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"the verifier ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return ENTRIES / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
