"""Replies that are not the server's answer, bombs and senseless wishes: the agent acts on none and goes on."""

import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from mainstay_trust import canonical, dsse
from tests.agent.test_helper_process import eventually
from tests.journeys.compromised_server.device import Victim, look_at_shadow
from tests.journeys.compromised_server.thief import now
from tests.journeys.compromised_server.wire import Answer, Poll, StolenServer

Lie = Callable[[StolenServer, Poll], Answer]


def with_restart(server: StolenServer, poll: Poll) -> dict[str, Any]:
    """What the reply would do if it were believed: restart a service by a command that is in order."""
    return poll.data | {"commands": [server.thief.deliver(server.thief.command(params={"unit": "web"}))]}


def replayed(server: StolenServer, poll: Poll) -> Answer:
    assert server.last_poll is not None
    before = server.last_poll if server.last_poll.seq != poll.seq else Poll(poll.body + b" ", poll.seq - 1, poll.data)
    return Answer(server.sealed(before.body, before.seq, with_restart(server, poll)))


def signed_by_the_command_key(server: StolenServer, poll: Poll) -> Answer:
    return Answer(server.sealed(poll.body, poll.seq, with_restart(server, poll), server.thief.server))


def unsigned(server: StolenServer, poll: Poll) -> Answer:
    return Answer(canonical.encode({"v": 1, "t": now(), "seq": poll.seq, "data": with_restart(server, poll)}))


def of_another_type(server: StolenServer, poll: Poll) -> Answer:
    envelope = dsse.parse(server.sealed(poll.body, poll.seq, with_restart(server, poll)), bytes_max=2**20)
    return Answer(dsse.seal(dsse.COMMAND, envelope.payload, [server.thief.reply.signer()]).encode())


def with_another_number(server: StolenServer, poll: Poll) -> Answer:
    return Answer(server.sealed(poll.body, poll.seq + 1, with_restart(server, poll)))


def with_duplicate_members(server: StolenServer, poll: Poll) -> Answer:
    payload = dsse.parse(server.sealed(poll.body, poll.seq, with_restart(server, poll)), bytes_max=2**20).payload
    twice = payload.replace(b'"seq":', b'"seq":0,"seq":', 1)
    return Answer(dsse.seal(dsse.REPLY, twice, [server.thief.reply.signer()]).encode())


def with_a_depth_bomb(server: StolenServer, poll: Poll) -> Answer:
    head = f'{{"v":1,"t":{now()},"seq":{poll.seq},"body_sha256":"{hashlib.sha256(poll.body).hexdigest()}","data":'.encode()
    bomb = head + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return Answer(dsse.seal(dsse.REPLY, bomb, [server.thief.reply.signer()]).encode())


def zip_bomb(server: StolenServer, poll: Poll) -> Answer:
    packed = gzip.compress(b" " * (64 * 2**20) + server.sealed(poll.body, poll.seq, with_restart(server, poll)))
    return Answer(packed, headers=(("Content-Encoding", "gzip"),))


def endless(server: StolenServer, poll: Poll) -> Answer:
    return Answer(b" " * (2**20 + 1) + server.sealed(poll.body, poll.seq, with_restart(server, poll)))


LIES: dict[str, tuple[Lie, str]] = {
    "replayed_reply": (replayed, "reply_mismatch"),
    "reply_signed_by_the_command_key": (signed_by_the_command_key, "reply_mismatch"),
    "reply_without_a_signature": (unsigned, "reply_mismatch"),
    "reply_signed_as_another_type": (of_another_type, "reply_mismatch"),
    "reply_to_another_number": (with_another_number, "reply_mismatch"),
    "reply_with_duplicate_members": (with_duplicate_members, "reply_mismatch"),
    "reply_with_a_depth_bomb": (with_a_depth_bomb, "reply_mismatch"),
    "reply_that_is_a_zip_bomb": (zip_bomb, "reply_mismatch"),
    "reply_without_end": (endless, "too_large"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_reply_that_is_not_ours_is_not_acted_upon(victim: Victim, name: str) -> None:
    lie, code = LIES[name]
    server, told = victim.server, []

    def answer(poll: Poll) -> Answer:
        told.append(poll.seq)
        return lie(server, poll)

    with victim.unharmed():
        with server.changed:
            server.lies.reply = answer
            server.changed.notify_all()
        eventually(lambda: str(victim.status().get("last_problem")).startswith(code), f"the agent says {code}")
        server.tell_the_truth()
        victim.goes_on()
    assert set(told) == {told[0]}, "an answer that is not believed leaves its poll unanswered"


NONSENSE: dict[str, Any] = {
    "commands": [1, "restart", None, []],
    "docs": "newest",
    "hints": {"poll_s": "now", "sample_s": [], "watch": ["-H", "a b", "x\x00"], "resend_from_ms": "always"},
    "checkpoint": {"note": 5, "consistency": ["zz", 7]},
    "need_dict": 1,
    "want_groups": [1, None, "shadow"],
}


def test_a_reply_full_of_nonsense_costs_nothing_but_itself(victim: Victim) -> None:
    told: list[int] = []

    def answer(poll: Poll) -> Answer:
        told.append(poll.seq)
        return Answer(victim.server.sealed(poll.body, poll.seq, NONSENSE))

    with victim.unharmed():
        with victim.server.changed:
            victim.server.lies.reply = answer
            victim.server.changed.notify_all()
            assert victim.server.changed.wait_for(lambda: len(set(told)) >= 2, 20)
        victim.server.tell_the_truth()
        victim.goes_on()


def test_a_delivery_longer_than_a_frame_is_left_out_and_named(victim: Victim) -> None:
    def endless_delivery(_thief: Any) -> dict[str, Any]:
        return {"envelope": {"payload": "A" * 300_000}, "proof": None, "leaf": None, "consistency": []}

    with victim.unharmed():
        victim.server.send(endless_delivery)
        assert "document_refused:too_large" in victim.next_heartbeat()["diag"] + victim.next_heartbeat()["diag"]


def test_a_wish_to_sample_every_millisecond_is_clamped(victim: Victim) -> None:
    with victim.unharmed():
        victim.server.lies.hints = {"sample_s": 0, "poll_s": 0}
        victim.next_heartbeat()
        assert "hints_clamped" in victim.next_heartbeat()["diag"]
        victim.server.lies.hints = {"sample_s": 10, "poll_s": 60}
        victim.next_heartbeat()

        times = json.loads(victim.server.last_poll.body)["samples"]  # type: ignore[union-attr] # there was a poll
        assert times is None or all(later - earlier >= 900 for earlier, later in zip(times["t"], times["t"][1:], strict=False))


def test_a_server_time_a_month_ahead_is_not_believed(victim: Victim) -> None:
    with victim.unharmed():
        victim.next_heartbeat()
        victim.server.lies.skew_s = 30 * 86400
        victim.server.send(look_at_shadow)
        found = {(one.decision, one.rule, one.reason) for one in victim.next_results(2)}

    assert found == {("local", "server_time.refused", "clock_disagree"), ("refused", None, "not_allowed")}


FLOWS = {
    "reply_full_of_nonsense": test_a_reply_full_of_nonsense_costs_nothing_but_itself,
    "delivery_longer_than_a_frame": test_a_delivery_longer_than_a_frame_is_left_out_and_named,
    "sampling_every_millisecond": test_a_wish_to_sample_every_millisecond_is_clamped,
    "server_time_a_month_ahead": test_a_server_time_a_month_ahead_is_not_believed,
}
