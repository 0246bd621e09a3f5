"""What the thief does to results afterwards: the verifier, who needs no server, names the first bad link."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mainstay_agent.host.ed25519 import verify
from mainstay_trust import dsse
from mainstay_trust.dsse import Envelope
from mainstay_trust.keys import Key
from mainstay_trust.results import parse_result, verify_chain
from tests.agent.fakes import DEVICE, TENANT
from tests.agent.test_helper_process import SOURCE
from tests.journeys.compromised_server.device import Victim

LINKS = 5
Chain = list[Envelope]


def forged(victim: Victim, chain: Chain) -> Chain:
    """A result that says "done", signed by every key that the thief has."""
    said = replace(parse_result(chain[2].payload), decision="done", reason=None, exit=0)
    keys = (victim.thief.server, victim.thief.reply, victim.thief.log_key)
    return [*chain[:2], dsse.seal(dsse.RESULT, said.encode(), [key.signer() for key in keys]), *chain[3:]]


def reworded(_victim: Victim, chain: Chain) -> Chain:
    said = replace(parse_result(chain[2].payload), decision="done", reason=None, exit=0)
    return [*chain[:2], replace(chain[2], payload=said.encode()), *chain[3:]]


def appended(victim: Victim, chain: Chain) -> Chain:
    said = replace(parse_result(chain[-1].payload), seq=len(chain), decision="done", reason=None)
    return [*chain, dsse.seal(dsse.RESULT, said.encode(), [victim.thief.server.signer()])]


ATTACKS: dict[str, tuple[Callable[[Victim, Chain], Chain], int, str]] = {
    "forged_result": (forged, 2, "no_valid_signature"),
    "reworded_result": (reworded, 2, "no_valid_signature"),
    "invented_result_at_the_end": (appended, LINKS, "no_valid_signature"),
    "deleted_result": (lambda _, c: [*c[:2], *c[3:]], 2, "chain_seq"),
    "deleted_first_result": (lambda _, c: c[1:], 0, "chain_seq"),
    "reordered_results": (lambda _, c: [c[0], c[2], c[1], *c[3:]], 1, "chain_seq"),
    "result_sent_twice": (lambda _, c: [*c[:2], c[1], *c[2:]], 2, "chain_seq"),
}


@pytest.fixture(scope="module")
def chain(victim: Victim) -> Chain:
    """The first links of the device, as its server received them."""
    while len(victim.server.results) < LINKS:
        victim.next_heartbeat()
    return [victim.server.results[number] for number in range(LINKS)]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_falsified_chain_is_convicted_at_its_first_bad_link(victim: Victim, chain: Chain, tmp_path: Path, name: str) -> None:
    falsify, index, code = ATTACKS[name]
    falsified = falsify(victim, chain)

    verdict = verify_chain(falsified, victim.evidence, verify)

    assert (verdict.bad_index, verdict.code) == (index, code)
    assert verified_offline(victim, falsified, tmp_path) == (1, f"chain.jsonl link {index}")


def test_the_honest_chain_holds(victim: Victim, chain: Chain, tmp_path: Path) -> None:
    assert verify_chain(chain, victim.evidence, verify).code is None
    code, entry = verified_offline(victim, chain, tmp_path)
    assert (code, entry) == (3, "chain.jsonl"), "it holds; only who vouches for the evidence key is left to a pack"


def test_a_suppressed_end_is_seen_in_what_the_device_says_next(victim: Victim, chain: Chain) -> None:
    said = victim.next_heartbeat()["chain"]

    suppressed = verify_chain(chain[:-1], victim.evidence, verify).head

    assert said["seq"] > suppressed.seq
    assert victim.call("log", "--verify")["code"] is None


def test_a_whole_chain_by_the_thief_does_not_speak_for_the_device(victim: Victim, chain: Chain) -> None:
    own = [dsse.seal(dsse.RESULT, one.payload, [victim.thief.own.signer()]) for one in chain]

    assert verify_chain(own, Key(victim.thief.own.public, DEVICE), verify).code is None
    assert verify_chain(own, victim.evidence, verify).bad_index == 0


def verified_offline(victim: Victim, chain: Chain, folder: Path) -> tuple[int, str]:
    """Ask the program that an auditor has; return its exit code and the first entry that it complains about."""
    head = {"device": DEVICE, "tenant": TENANT, "evidence": victim.evidence.public.hex(), "enrolled": None}
    lines = [json.dumps(head).encode(), *(one.encode() for one in chain)]
    (folder / "chain.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    argv = [sys.executable, "-m", "mainstay_verify", "device", "chain.jsonl", "--json"]
    done = subprocess.run(argv, cwd=folder, env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    return done.returncode, str(report["first_bad"]["entry"] if report.get("first_bad") else report["findings"][0]["entry"])


FLOWS = {
    "suppressed_end_of_the_chain": test_a_suppressed_end_is_seen_in_what_the_device_says_next,
    "thief_as_evidence_key": test_a_whole_chain_by_the_thief_does_not_speak_for_the_device,
}
