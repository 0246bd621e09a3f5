"""The golden files beside mainstay_trust say what this code computes."""

import base64
import hashlib
import json
from importlib import resources

import pytest

from mainstay_trust import canonical, commands, dsse, enrol, httpsig, keys, results, witness
from mainstay_trust.clocks import Reading
from mainstay_trust.commands import EndpointState
from mainstay_trust.merkle import Tree, leaf_hash
from mainstay_trust.notes import Checkpoint

from .signers import signer, verify


def vector(name):
    return json.loads(resources.files("mainstay_trust").joinpath(f"vectors/{name}.json").read_text("utf-8"))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("entry", vector("keys")["keys"], ids=lambda entry: entry["role"])
def test_key_ids_are_the_hash_of_the_public_key(entry):
    public = signer(entry["seed_byte"]).public

    assert keys.key_id(public) == entry["key_id"]
    assert entry.get("public", public.hex()) == public.hex()


def test_the_command_vector_is_reproduced_byte_for_byte():
    golden = vector("command")
    payload = canonical.encode(golden["payload"])
    signed = dsse.pae(golden["payload_type"], payload)

    assert (len(payload), sha256(payload)) == (golden["payload_bytes"], golden["payload_sha256"])
    assert (len(signed), sha256(signed)) == (golden["signed_bytes"], golden["signed_sha256"])
    assert base64.b64encode(signer(1).sign(signed)).decode() == golden["signature"]
    assert commands.parse_command(payload).encode() == payload


def test_a_signature_with_the_group_order_added_is_refused():
    golden = vector("command")
    signed = dsse.pae(golden["payload_type"], canonical.encode(golden["payload"]))

    def judge(text):
        return keys.signature_holds(verify, signer(1).public, signed, base64.b64decode(text))

    assert (judge(golden["signature"]), judge(golden["signature_refused"])) == (True, False)


@pytest.mark.parametrize("moment", vector("command")["at"], ids=lambda moment: str(moment["t"]))
def test_both_ends_of_a_command_are_inclusive(moment):
    command = commands.parse_command(canonical.encode(vector("command")["payload"]))
    state = EndpointState(command.tenant, command.aud[0], Reading(moment["t"], moment["t"], moment["t"]))

    assert commands._check_time(command, state).code == moment["code"]


def test_the_result_chain_vector_is_reproduced_byte_for_byte():
    golden = vector("result_chain")
    first, second = (results.parse_result(canonical.encode(entry["payload"])) for entry in golden["links"])
    evidence = signer(3)

    for result, entry in zip((first, second), golden["links"], strict=True):
        assert (len(result.encode()), sha256(result.encode())) == (entry["payload_bytes"], entry["payload_sha256"])
    assert results.out_commit(bytes.fromhex(golden["salt"]), golden["output"].encode()) == second.out_commit
    assert base64.b64encode(evidence.sign(dsse.pae(dsse.RESULT, second.encode()))).decode() == golden["links"][1]["signature"]
    chain = [dsse.seal(dsse.RESULT, result.encode(), [evidence]) for result in (first, second)]
    verdict = results.verify_chain(chain, keys.Key(evidence.public, "device"), verify)
    assert verdict == results.ChainVerdict(results.Head(2, golden["links"][1]["payload_sha256"]))


def test_the_request_vector_is_reproduced_byte_for_byte():
    golden = vector("request")
    request = httpsig.Request(golden["method"], golden["path"], golden["query"], golden["content_type"], golden["body"].encode())
    transport = signer(4)
    keyid = keys.key_id(transport.public)
    headers = httpsig.sign_request(request, keyid=keyid, sign=transport.sign, created=golden["created"])

    assert headers["Content-Digest"] == golden["content_digest"]
    assert sha256(httpsig.signature_base(request, httpsig.parameters(golden["created"], keyid))) == golden["base_sha256"]
    assert headers["Signature"] == f"sig1=:{golden['signature']}:"


def test_the_enrolment_vector_is_reproduced():
    golden = vector("enrolment")
    seen = golden["transcript"]
    code = enrol.parse_code(golden["code"])
    transcript = enrol.Transcript(seen["id"], seen["na"], seen["ns"], seen["spki"], seen["root"], seen["url"])

    assert (code.code_id, code.secret.hex(), code.key.hex()) == (golden["id"], golden["secret"], golden["key"])
    assert transcript.digest.hex() == golden["transcript_sha256"]
    assert enrol.server_mac(code.key, transcript) == golden["server_mac"]
    assert enrol.agent_mac(code.key, transcript) == golden["agent_mac"]


def test_the_witness_vector_moves_the_stored_checkpoint():
    golden = vector("witness")
    tree = Tree(leaf_hash(bytes.fromhex(text)) for text in golden["leaves"])
    stored, offered = (Checkpoint("log", part["size"], bytes.fromhex(part["root"])) for part in (golden["stored"], golden["offered"]))
    proof = [bytes.fromhex(text) for text in golden["proof"]]

    assert (tree.root(3), tree.root(7)) == (stored.root, offered.root)
    assert witness.observe(witness.Witness(stored), offered, proof) == (witness.Witness(offered), witness.STORED)
