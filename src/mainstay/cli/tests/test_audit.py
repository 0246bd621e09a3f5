"""`mainstay audit` over a real socket: which scope is asked for, which forms are written, and what happens when one cannot be."""

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

from mainstay.cli import audit
from mainstay.domains.assurance.tests.sample import report
from mainstay.kernel.errors import Conflict, Invalid, NotFound
from mainstay_trust.canonical import encode

RUN = "01990000-0000-7000-8000-000000000001"
DEVICES = [
    {"id": "11111111-1111-7111-8111-111111111111", "name": "elm-ehr1"},
    {"id": "22222222-2222-7222-8222-222222222222", "name": "elm-db1"},
]
CHANGES = {"against": "r0", "new": ["f:NET-04:x"], "returned": [], "changed": [], "fixed": ["f:ACC-01:x"]}


class Api:
    """A server that audits; `devices` are the active ones, `started` the bodies of the audits that were asked for."""

    def __init__(self) -> None:
        self.devices = [*DEVICES]
        self.started: list[dict[str, Any]] = []
        self.report = encode(report(3))
        self.changes: dict[str, Any] = {**CHANGES}

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> bytes:
        if (method, path) == ("POST", "/api/v1/assurance/audits"):
            self.started.append(json.loads(body))
            return json.dumps({"id": RUN, "sha256": "ab" * 32}).encode()
        if path == "/api/v1/estate/devices":
            items = [one for one in self.devices if all(one.get(key, query[key]) == query[key] for key in ("id", "name") if key in query)]
            return json.dumps({"items": items[: int(query["n"])], "next": None, "total": len(items)}).encode()
        own = f"/api/v1/assurance/audits/{RUN}"
        made = {own: self.report, f"{own}/findings.csv": b"check,title\r\n", f"{own}/pdf": b"%PDF-1.7 made"}
        if path.startswith(f"{own}/compare/"):
            return json.dumps(self.changes).encode()
        return json.dumps({"pdf_sha256": "cd" * 32, "renderer": "template 1"}).encode() if method == "POST" else made[path]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    served = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = served.answer(self.command, address.path, dict(parse_qsl(address.query)), body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MAINSTAY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MAINSTAY_TOKEN", "mst1_test")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run() -> Any:
    app = typer.Typer()
    audit.register(app)
    app.callback()(lambda: None)
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ((), {"kind": "client", "scope_id": None, "window_days": 30}),
        (("--client", "--days", "7"), {"kind": "client", "scope_id": None, "window_days": 7}),
        (("--device", "elm-db1"), {"kind": "device", "scope_id": DEVICES[1]["id"], "window_days": 30}),
        (("--device", DEVICES[0]["id"]), {"kind": "device", "scope_id": DEVICES[0]["id"], "window_days": 30}),
        (("--site", "s1"), {"kind": "site", "scope_id": "s1", "window_days": 30}),
    ],
)
def test_the_scope_that_is_named_is_asked_for(api: Api, run: Any, words: tuple[str, ...], asked: dict[str, Any]) -> None:
    assert run("run", *words).exit_code == 0
    assert api.started == [asked]


def test_without_a_scope_the_only_machine_is_audited(api: Api, run: Any) -> None:
    api.devices = DEVICES[:1]

    run("run")

    assert api.started[0]["scope_id"] == DEVICES[0]["id"]


def test_json_is_the_bytes_of_the_report(api: Api, run: Any) -> None:
    assert run("run", "--json").stdout == api.report.decode()  # nothing after them: this is a file, not a terminal


def test_the_answer_names_the_score_and_the_worst_findings(api: Api, run: Any) -> None:
    text, document = run("run").stdout, json.loads(api.report)

    assert f"score {document['answer']['score']}" in text
    assert document["findings"][0]["check"] in text
    assert f"Audit {RUN}, sha256 {'ab' * 32}" in text


def test_every_form_is_written_once(api: Api, run: Any, tmp_path: Path) -> None:
    pdf, csv = tmp_path / "a.pdf", tmp_path / "a.csv"

    assert run("run", "--pdf", str(pdf), "--csv", str(csv)).exit_code == 0

    assert (pdf.read_bytes(), csv.read_bytes()) == (b"%PDF-1.7 made", b"check,title\r\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.csv", "a.pdf"]
    assert len(api.started) == 1


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (("--device", "nobody"), NotFound, "cli.device_unknown"),
        (("--device", "elm-db1", "--client"), Invalid, "cli.two_scopes"),
        (("--pdf", "/no/such/folder/a.pdf"), Invalid, "cli.no_such_folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_audited(
    api: Api, run: Any, words: tuple[str, ...], kind: type[Exception], code: str
) -> None:
    problem = run("run", *words).exception

    assert isinstance(problem, kind)
    assert problem.code == code
    assert api.started == []


def test_a_file_that_exists_is_left_alone_until_somebody_says_overwrite(api: Api, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"mine")

    problem = run("run", "--pdf", str(file)).exception

    assert isinstance(problem, Conflict)
    assert (file.read_bytes(), api.started) == (b"mine", [])
    assert run("run", "--pdf", str(file), "--overwrite").exit_code == 0
    assert file.read_bytes() == b"%PDF-1.7 made"


def test_a_comparison_names_what_came_and_went(api: Api, run: Any) -> None:
    assert run("compare", "r0", RUN).stdout.splitlines() == ["new: f:NET-04:x", "fixed: f:ACC-01:x"]
    api.changes = {**CHANGES, "new": [], "fixed": []}
    assert run("compare", "r0", RUN).stdout == "Nothing changed.\n"


def test_rendering_writes_the_pdf_whose_hash_went_into_the_ledger(api: Api, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"

    assert "cd" * 32 in run("render", RUN, str(file)).stdout
    assert run("render", RUN, str(file), "--check").stdout.startswith("The same bytes")
    file.write_bytes(b"%PDF-1.7 changed")
    assert isinstance(run("render", RUN, str(file), "--check").exception, Conflict)
