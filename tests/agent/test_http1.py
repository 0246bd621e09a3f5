"""Answers of HTTP/1.1 as a server, a proxy or an attacker may send them."""

import socket

import pytest

from mainstay_agent.net.http1 import Answer, BadAnswer, Conversation, TooLong

OK = b"HTTP/1.1 200 OK\r\n"


def ask(answer: bytes, *, limit: int = 1000, headers: dict[str, str] | None = None) -> tuple[Answer, bytes]:
    """Return what is made of an answer after which the server closes, and the request that it got."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        conversation = Conversation(ours, "server.example:8443")
        try:
            found = conversation.exchange("POST", "/agent/v1/poll", b"{}", headers or {}, timeout_s=5, limit=limit)
            return found, theirs.recv(65536)
        finally:
            conversation.close()


def test_a_request_names_its_host_its_length_and_its_headers() -> None:
    _, request = ask(OK + b"Content-Length: 0\r\n\r\n", headers={"Signature": "sig1=:x:"})

    head = b"POST /agent/v1/poll HTTP/1.1\r\nHost: server.example:8443\r\nContent-Length: 2\r\nSignature: sig1=:x:\r\n\r\n"
    assert request == head + b"{}"


@pytest.mark.parametrize(
    ("answer", "body", "will_close"),
    [
        (OK + b'Content-Length: 5\r\n\r\n {"a"', b' {"a"', False),
        (OK + b"content-length: 2\r\nConnection: Close\r\n\r\n{}", b"{}", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n2;x=y\r\n{}\r\n0\r\n\r\n", b" {}", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", b"{}", False),
        (OK + b"\r\nuntil the end", b"until the end", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", b"{}", False),
    ],
)
def test_a_body_ends_where_its_head_says(answer: bytes, body: bytes, will_close: bool) -> None:
    found, _ = ask(answer)

    assert (found.body, found.will_close) == (body, will_close)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Content-Length: -2\r\n\r\n{}",
        OK + b"Content-Length: 9\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        OK + b" folded: 1\r\n\r\n",
        OK + b"no header\r\n\r\n",
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_none(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        ask(answer)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
        OK + b"\r\n" + b"x" * 1001,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n",
        OK + b"A: " + b"x" * 9000 + b"\r\n\r\n",
        OK + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_no_more_is_taken_than_the_limit_allows(answer: bytes) -> None:
    with pytest.raises(TooLong):
        ask(answer)


def test_a_connection_that_was_closed_is_an_error_of_its_own() -> None:
    with pytest.raises(ConnectionResetError):
        ask(b"")


def test_a_header_cannot_smuggle_another() -> None:
    with pytest.raises(ValueError, match="line break"):
        ask(OK + b"\r\n", headers={"Signature": "x\r\nHost: elsewhere"})
