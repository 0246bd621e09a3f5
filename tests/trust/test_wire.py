"""Requests, enrolment, notes and results: what arrives from outside."""

import hashlib
from dataclasses import replace

import pytest

from mainstay_trust import dsse, enrol, httpsig, keys, notes, results
from mainstay_trust.errors import Rejected
from mainstay_trust.results import ChainVerdict, Head, Result

from .signers import key, signer, verify
from .world import DEVICE, NOW, TENANT

REQUEST = httpsig.Request("POST", "/agent/v1/poll", "a=1", "application/json", b'{"hb":1}')
TRANSPORT = signer(4)
KEYID = keys.key_id(TRANSPORT.public)


def headers(request=REQUEST, created=NOW):
    return httpsig.sign_request(request, keyid=KEYID, sign=TRANSPORT.sign, created=created)


def judge(request=REQUEST, given=None, at=NOW, public=TRANSPORT.public):
    given = headers() if given is None else given
    try:
        return httpsig.verify_request(request, given, find_key=lambda keyid: public, verify=verify, at=at)
    except Rejected as error:
        return error.code


def test_a_signed_request_names_its_key_whatever_the_case_of_header_names():
    assert judge() == KEYID
    assert judge(given={name.lower(): value for name, value in headers().items()}) == KEYID


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"method": "GET"}, "bad_signature"),
        ({"path": "/agent/v1/ingest"}, "bad_signature"),
        ({"query": ""}, "bad_signature"),
        ({"content_type": "text/plain"}, "bad_signature"),
        ({"body": b""}, "digest_mismatch"),
    ],
)
def test_every_covered_part_of_a_request_is_bound(change, code):
    assert judge(replace(REQUEST, **change)) == code


@pytest.mark.parametrize(("at", "answer"), [(NOW - 300, KEYID), (NOW + 300, KEYID), (NOW - 301, "clock_skew"), (NOW + 301, "clock_skew")])
def test_a_request_is_young_or_refused(at, answer):
    assert judge(at=at) == answer


@pytest.mark.parametrize(
    ("header", "old", "new"),
    [
        ("Signature-Input", "sig1=", "sig2="),
        ("Signature-Input", '"@path" ', ""),
        ("Signature-Input", 'alg="ed25519"', 'alg="hmac-sha256"'),
        ("Signature-Input", "mainstay-agent-v1", "other"),
        ("Signature", ":", ""),
        ("Signature", "==:", "=:"),
    ],
)
def test_nothing_about_a_signature_is_negotiable(header, old, new):
    given = headers()

    assert judge(given=given | {header: given[header].replace(old, new)}) == "bad_signature"


def test_an_unknown_key_a_foreign_key_and_missing_headers_are_refused():
    assert judge(public=None) == "unknown_key"
    assert judge(public=signer(5).public) == "bad_signature"
    assert judge(given={"Content-Digest": httpsig.content_digest(REQUEST.body)}) == "bad_signature"
    assert httpsig.claimed_keyid(headers()) == KEYID


# Enrolment.


@pytest.mark.parametrize(
    "text", ["4q7k-2m1p-9xtw-0hjd-5rsv", "4Q7K 2MIP 9XTW OHJD 5RSV", "4Q7K2MLP9XTWoHJD5RSV", "\t4Q7K-2M1P-9XTW-0HJD-5RSV\n"]
)
def test_a_code_may_be_typed_as_people_type(text):
    assert str(enrol.parse_code(text)) == "4Q7K-2M1P-9XTW-0HJD-5RSV"


@pytest.mark.parametrize("text", ["", "4Q7K", "4Q7K-2M1P-9XTW-0HJD-5RSU", "4Q7K-2M1P-9XTW-0HJD-5RSVV", "4Q7K-2M1P-9XTW-0HJD-5R*V"])
def test_what_is_not_a_code_is_refused(text):
    with pytest.raises(Rejected, match="bad_code"):
        enrol.parse_code(text)


def test_a_code_is_made_of_random_bytes_and_read_back():
    code = enrol.code_from_random(bytes(range(13)))

    assert enrol.parse_code(str(code)) == code
    assert len(code.secret) == 10


def test_both_proofs_change_with_everything_that_was_seen():
    code = enrol.parse_code("4Q7K-2M1P-9XTW-0HJD-5RSV")
    seen = enrol.Transcript("4Q7K", "aa" * 16, "bb" * 16, "22" * 32, "11" * 32, "https://192.0.2.10:8443")
    changes = [{name: getattr(seen, name) + "0"} for name in seen.__dataclass_fields__]
    macs = {enrol.server_mac(code.key, replace(seen, **change)) for change in [{}, *changes]}

    assert len(macs) == 7
    assert not enrol.macs_match(enrol.server_mac(code.key, seen), enrol.agent_mac(code.key, seen))
    assert not enrol.macs_match(enrol.server_mac(code.key, seen), None)


def test_a_proof_of_possession_is_bound_to_its_purpose():
    seen = enrol.Transcript("4Q7K", "aa" * 16, "bb" * 16, enrol.NO_TLS, enrol.NO_ROOT, "http://127.0.0.1:8080")

    assert len({enrol.possession_message(purpose, seen) for purpose in enrol.PURPOSES}) == 3
    with pytest.raises(Rejected, match="bad_purpose"):
        enrol.possession_message("root", seen)


# Notes.

LOG = notes.Vkey("example.com/log", notes.LOG_KEY, signer(7).public)
NOTE = notes.sign_checkpoint(notes.Checkpoint("example.com/log", 3, bytes(32)), LOG, signer(7).sign)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n\n", b"\n"),
        (b"\n3\n", b"\n03\n"),
        (b"\n3\n", b"\n-3\n"),
        (b"\n3\n", b"\r\n3\n"),
        (b"\n3\n", b"\n3\n\x01\n"),
        (b"\xe2\x80\x94", b"-"),
        (b"=\n\n", b"\n\n"),
        (b"\n\n", b"\nextension\n\n"),
        (b"example.com/log\n3", b"\n3"),
    ],
)
def test_a_malformed_checkpoint_is_refused(old, new):
    with pytest.raises(Rejected):
        notes.open_checkpoint(NOTE.encode().replace(old, new, 1), [LOG], verify)


def test_unknown_signatures_are_ignored_and_a_bad_known_one_rejects_the_note():
    stranger = notes.Vkey("example.com/log", notes.LOG_KEY, signer(8).public)
    other = notes.sign_text(NOTE.text, stranger, signer(8).sign)
    forged = notes.NoteSignature(stranger.name, stranger.key_id, signer(9).sign(NOTE.text.encode()))

    assert [found.vkey for found in notes.verify_note(NOTE.with_signature(other), [LOG], verify)] == [LOG]
    assert notes.verify_note(NOTE.with_signature(forged), [LOG], verify)
    with pytest.raises(Rejected, match="bad_signature"):
        notes.verify_note(NOTE.with_signature(forged), [LOG, stranger], verify)
    with pytest.raises(Rejected, match="unknown_origin"):
        notes.open_checkpoint(NOTE.encode(), [stranger], verify)


def test_a_cosigner_cannot_stand_in_for_the_log():
    cosigner = notes.Vkey("example.com/log", notes.COSIGNER_KEY, signer(7).public)
    note = notes.Note(NOTE.text, (notes.cosign(NOTE.text, cosigner, signer(7).sign, at=NOW),))

    with pytest.raises(Rejected, match="unknown_origin"):
        notes.open_checkpoint(note.encode(), [LOG, cosigner], verify)


def test_the_text_of_a_note_ends_at_the_last_blank_line():
    note = notes.Note("one\n\ntwo\n", (notes.sign_text("one\n\ntwo\n", LOG, signer(7).sign),))

    assert notes.parse_note(note.encode()) == note


def test_a_verifier_key_must_carry_its_own_id():
    with pytest.raises(Rejected, match="bad_vkey"):
        notes.parse_vkey(str(LOG).replace(LOG.key_id.hex(), "00000000"))


# Results.

EVIDENCE = signer(3)


def chain(count, **changes):
    head, envelopes = Head(), []
    for seq in range(count):
        given = Result(TENANT, DEVICE, seq, head.hash, NOW + seq, "b1", "1.0.0", "done", 4)
        payload = replace(given, **changes.get(f"at_{seq}", {})).encode()
        envelopes.append(dsse.seal(dsse.RESULT, payload, [EVIDENCE]))
        head = head.after(payload)
    return envelopes, head


def judged(envelopes, start=None):
    verdict = results.verify_chain(envelopes, key(3, "device"), verify, start=start)
    return verdict.bad_index, verdict.code


def test_a_whole_chain_holds_and_its_head_is_known():
    envelopes, head = chain(4)

    assert results.verify_chain(envelopes, key(3, "device"), verify) == ChainVerdict(head)
    assert judged(envelopes[2:], start=Head(2, hashlib.sha256(envelopes[1].payload).hexdigest())) == (None, None)


def test_left_out_reordered_foreign_and_rewritten_links_are_named():
    envelopes, _ = chain(4)
    foreign = dsse.seal(dsse.RESULT, envelopes[1].payload, [signer(5)])
    rewritten, _ = chain(4, at_1={"decision": "refused", "reason": "budget"})

    assert judged([envelopes[0], *envelopes[2:]]) == (1, "chain_seq")
    assert judged([envelopes[1], envelopes[0]]) == (0, "chain_seq")
    assert judged([envelopes[0], foreign]) == (1, "no_valid_signature")
    assert judged([envelopes[0], rewritten[1], *envelopes[2:]]) == (2, "chain_prev")
    assert judged([envelopes[0], dsse.seal(dsse.REPLY, envelopes[1].payload, [EVIDENCE])]) == (1, "bad_type")


@pytest.mark.parametrize(
    "change", [{"decision": "perhaps"}, {"seq": -1}, {"prev": "x"}, {"out_commit": "00"}, {"device": "short"}, {"truncated": 1}]
)
def test_a_malformed_result_cannot_be_written(change):
    given = Result(TENANT, DEVICE, 0, results.FIRST_PREV, NOW, "b1", "1.0.0", "done", 4)

    with pytest.raises(Rejected, match="bad_result"):
        replace(given, **change).encode()
