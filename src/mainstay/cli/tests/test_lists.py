"""The command line over a real socket: filters, pages, exit codes, and a token that goes to one host only."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from mainstay.cli import lists
from mainstay.cli.client import Client
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused, Unavailable


class Api:
    """A server with five devices, two to a page at most, and answers that a test may set."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.url = ""

    def devices(self, query: dict[str, str]) -> dict[str, Any]:
        first = int(query.get("after", "0"))
        last = min(first + min(2, int(query["n"])), 5)
        items = [{"id": str(n), "name": f"d{n}", "state": None, "os": "[x]", "agent": True, "seen": ""} for n in range(first, last)]
        return {"items": items, "next": str(last) if last < 5 else None, "total": 5, "total_is_exact": True}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    served = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            served.asked.append((self.command, address.path, {**query, **{k.lower(): v for k, v in self.headers.items()}}))
            status, body = served.answers.get(address.path, (200, b""))
            if not body:
                body = json.dumps(served.devices(query)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MAINSTAY_URL", served.url)
    monkeypatch.setenv("MAINSTAY_TOKEN", "mst1_test")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run() -> Any:
    app = typer.Typer()
    lists.register(app)
    return lambda *words: CliRunner().invoke(app, words, catch_exceptions=True)


def test_every_page_is_followed_up_to_the_limit(api: Api) -> None:
    rows = list(Client.from_environment().rows("/estate/devices", [], 3))

    assert [row["name"] for row in rows] == ["d0", "d1", "d2"]
    assert [asked[2]["n"] for asked in api.asked] == ["3", "1"]


def test_all_rows_are_all_rows(api: Api) -> None:
    assert len(list(Client.from_environment().rows("/estate/devices", [], None))) == 5


def test_conditions_and_order_reach_the_api_unchanged(api: Api, run: Any) -> None:
    answer = run("devices", "-w", "name=a=b & c", "--where", "seen__lt=-1d", "--sort", "-seen", "-n", "1", "--json")

    assert answer.exit_code == 0
    assert json.loads(answer.stdout)[0]["name"] == "d0"
    asked = api.asked[0]
    assert asked[:2] == ("GET", "/api/v1/estate/devices")
    assert {key: asked[2][key] for key in ("name", "seen__lt", "sort", "authorization")} == {
        "name": "a=b & c",
        "seen__lt": "-1d",
        "sort": "-seen",
        "authorization": "Bearer mst1_test",
    }


def test_a_table_says_nothing_known_as_a_dash_and_shows_brackets_as_they_are(api: Api, run: Any) -> None:
    text = run("devices", "-n", "1").stdout

    assert "d0" in text
    assert "[x]" in text
    assert "–" in text
    assert "yes" in text


@pytest.mark.parametrize("condition", ["name", "=x"])
def test_a_condition_without_a_key_or_a_value_is_refused_before_anything_is_asked(api: Api, run: Any, condition: str) -> None:
    answer = run("devices", "-w", condition)

    assert isinstance(answer.exception, Invalid)
    assert api.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [(401, Refused, 3), (403, Refused, 3), (404, NotFound, 4), (409, Conflict, 5), (422, Invalid, 6), (503, Unavailable, 7)],
)
def test_an_error_keeps_its_code_and_its_exit_code(api: Api, status: int, kind: type, exit_code: int) -> None:
    api.answers["/api/v1/x"] = (status, json.dumps({"code": "a.b", "detail": "A sentence.", "pointer": "n"}).encode())

    with pytest.raises(kind, match=r"A sentence\.") as problem:
        Client.from_environment().get("/x")
    assert (problem.value.code, problem.value.exit_code, problem.value.fields["pointer"]) == ("a.b", exit_code, "n")


def test_a_server_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MAINSTAY_TOKEN", "mst1_test")

    with pytest.raises(Unavailable, match="does not answer"):
        Client.from_environment().get("/x")


def test_the_local_token_is_not_sent_to_another_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cli-token").write_text("mst1_local")
    monkeypatch.setenv("MAINSTAY_DATA", str(tmp_path))
    monkeypatch.delenv("MAINSTAY_TOKEN", raising=False)
    monkeypatch.delenv("MAINSTAY_URL", raising=False)
    assert Client.from_environment().token == "mst1_local"

    monkeypatch.setenv("MAINSTAY_URL", "https://elsewhere.example")

    with pytest.raises(Refused):
        Client.from_environment()


def test_a_change_carries_a_key_of_its_own(api: Api, run: Any) -> None:
    api.answers["/api/v1/access/tokens"] = (200, json.dumps({"token": "mst1_new", "expires_at": "2027-01-01T00:00:00Z"}).encode())

    first, second = run("token", "create", "for ci"), run("token", "create", "for ci")

    assert first.stdout.startswith("mst1_new\n")
    assert second.exit_code == 0
    keys = [asked[2]["idempotency-key"] for asked in api.asked]
    assert len(set(keys)) == 2


def test_evidence_arrives_whole_and_never_over_another_file(api: Api, run: Any, tmp_path: Path) -> None:
    api.answers["/api/v1/ledger/pack"] = (200, b"PK pack")
    file = tmp_path / "evidence.zip"

    assert json.loads(run("ledger", "export", str(file), "--json").stdout) == {"file": str(file), "bytes": 7}
    assert file.read_bytes() == b"PK pack"

    again = run("ledger", "export", str(file))
    assert isinstance(again.exception, Conflict)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.zip"]


def test_a_refused_download_leaves_no_file(api: Api, run: Any, tmp_path: Path) -> None:
    api.answers["/api/v1/ledger/pack"] = (403, b'{"code": "access.action_refused", "detail": "No."}')

    assert isinstance(run("ledger", "export", str(tmp_path / "evidence.zip")).exception, Refused)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_does_not_agree_ends_with_exit_code_1(api: Api, run: Any) -> None:
    fault = {"fault": "leaf_hash", "index": 7, "detail": "The hash differs."}
    api.answers["/api/v1/ledger/verify"] = (200, json.dumps({"ok": False, "findings": [fault]}).encode())

    answer = run("ledger", "verify")

    assert (answer.exit_code, answer.stdout) == (1, "leaf 7: leaf_hash: The hash differs.\n")
