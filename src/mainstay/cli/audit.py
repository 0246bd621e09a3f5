"""System Audits on the command line: `mainstay audit run`, `list`, `compare`.

Owns: how an audit looks in a terminal, and which file it is written to. Does not own: the audit (the API makes it).
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any  # reports and rows of the API

import typer
from rich.console import Console
from rich.table import Table

from mainstay.cli.audit_render import judge
from mainstay.cli.client import Client
from mainstay.cli.lists import Listed, list_command
from mainstay.kernel.errors import Conflict, Invalid, NotFound

WORST_SHOWN = 10
STEPS_SHOWN = 5
AUDITS = Listed(
    "list",
    "/assurance/audits",
    ("as_of", "scope_name", "kind", "score", "grade", "coverage", "findings", "critical", "trigger"),
    "The audits, newest first.",
)
FINDINGS = Listed("findings", "/assurance/findings", ("check", "title", "scope_name", "severity", "state", "due", "owner"), "The findings.")
out = Console(highlight=False, soft_wrap=True)
audit = typer.Typer(no_args_is_help=True, help="System Audits: what the product found, and what to do first.")

DeviceOption = Annotated[
    str, typer.Option("--device", help="Audit one device, by name or id. Without a scope: this machine if it is the only one.")
]
SiteOption = Annotated[str, typer.Option("--site", help="Audit a site, by its id.")]
ClientOption = Annotated[bool, typer.Option("--client", help="Audit everything the client has.")]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=366, help="How far back history counts.")]
PdfOption = Annotated[Path | None, typer.Option("--pdf", help="Write the report as PDF.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write the findings as CSV.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON: the bytes whose hash is in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    audit.command("run")(run)
    audit.command("compare")(compare)
    audit.command("render")(render)
    audit.command(AUDITS.name, help=AUDITS.help)(list_command(AUDITS))
    audit.command(FINDINGS.name, help=FINDINGS.help)(list_command(FINDINGS))
    app.add_typer(audit, name="audit")


def run(
    device: DeviceOption = "",
    site: SiteOption = "",
    client: ClientOption = False,
    days: DaysOption = 30,
    as_json: JsonOption = False,
    pdf: PdfOption = None,
    csv: CsvOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Audit now and show the answer. Whatever has not been seen counts as not passed, and is listed."""
    server = Client.from_environment()
    targets = [file for file in (pdf, csv) if file is not None]
    _check_files(targets, overwrite=overwrite)
    made = server.post("/assurance/audits", {**_scope(server, device, site, client=client), "window_days": days})
    path = f"/assurance/audits/{made['id']}"
    if csv is not None:
        _write(csv, server.fetch(f"{path}/findings.csv"))
    if pdf is not None:
        server.post(f"{path}/render", {})  # its hash into the ledger: a PDF that is handed on can then be proven
        _write(pdf, server.fetch(f"{path}/pdf"))
    report = server.fetch(path)
    if as_json:
        # Into a file go exactly the bytes whose hash is in the ledger; a line break after them is for a terminal.
        typer.echo(report.decode(), nl=sys.stdout.isatty())
        return
    _show(json.loads(report), made)
    for file in targets:
        typer.echo(f"{file}: {file.stat().st_size} bytes", err=True)


def compare(
    old: Annotated[str, typer.Argument(help="The id of the earlier audit.")],
    new: Annotated[str, typer.Argument(help="The id of the later audit of the same scope.")],
    as_json: JsonOption = False,
) -> None:
    """Show what changed from one audit to another."""
    changes = Client.from_environment().get(f"/assurance/audits/{new}/compare/{old}")
    if as_json:
        typer.echo(json.dumps(changes))
        return
    for kind in ("new", "returned", "changed", "fixed"):
        for key in changes[kind]:
            typer.echo(f"{kind}: {key}")
    if not any(changes[kind] for kind in ("new", "returned", "changed", "fixed")):
        typer.echo("Nothing changed.")


def render(
    audit_id: Annotated[str, typer.Argument(metavar="AUDIT", help="The id of the audit.")],
    file: Annotated[Path, typer.Argument(help="The PDF to write, or with --check to compare.")],
    check: Annotated[bool, typer.Option("--check", help="Make the PDF again and compare it with FILE, writing nothing.")] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Make the PDF of an audit and put its hash into the ledger; or check one that was made before."""
    server = Client.from_environment()
    if check:
        typer.echo(judge(_read(file), server.fetch(f"/assurance/audits/{audit_id}/pdf")))
        return
    _check_files([file], overwrite=overwrite)
    made = server.post(f"/assurance/audits/{audit_id}/render", {})
    _write(file, server.fetch(f"/assurance/audits/{audit_id}/pdf"))
    typer.echo(f"{file}: sha256 {made['pdf_sha256']}, {made['renderer']}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise Invalid("cli.file_unreadable", f"{file}: {problem.strerror}") from problem


def _scope(server: Client, device: str, site: str, *, client: bool) -> dict[str, Any]:
    """Return the scope that was asked for. Errors: Invalid for two scopes; NotFound for a device that is not known."""
    if sum((bool(device), bool(site), client)) > 1:
        raise Invalid("cli.two_scopes", "Name one scope: a device, a site, or the client.")
    if site:
        return {"kind": "site", "scope_id": site}
    if client:
        return {"kind": "client", "scope_id": None}
    return {"kind": "device", "scope_id": _device(server, device)} if device or _has_one(server) else {"kind": "client", "scope_id": None}


def _has_one(server: Client) -> bool:
    return len(list(server.rows("/estate/devices", [("state", "active")], 2))) == 1


def _device(server: Client, named: str) -> str:
    by = [("id", named)] if _is_id(named) else [("name", named)] if named else [("state", "active")]
    rows = [
        row for row in server.rows("/estate/devices", [] if _is_id(named) else by, None) if not named or named in (row["id"], row["name"])
    ]
    if len(rows) != 1:
        raise NotFound("cli.device_unknown", f"{len(rows)} devices are called {named!r}. Name one by its id: mainstay devices --json")
    return str(rows[0]["id"])


def _is_id(text: str) -> bool:
    return len(text.replace("-", "")) == len("0" * 32) and all(sign in "0123456789abcdef-" for sign in text)


def _check_files(files: list[Path], *, overwrite: bool) -> None:
    for file in files:
        if file.exists() and not overwrite:
            raise Conflict("cli.file_exists", f"{file} exists already. Name another file, or add --overwrite.")
        if not file.absolute().parent.is_dir():
            raise Invalid("cli.no_such_folder", f"There is no folder {file.absolute().parent}.")


def _write(file: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    fresh = file.with_name(f".{file.name}.part")
    try:
        fresh.write_bytes(data)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _show(report: dict[str, Any], made: dict[str, Any]) -> None:
    answer = report["answer"]
    points = "–" if answer["score"] is None else str(answer["score"])
    shown = points if answer["grade"] != "not enough seen" else f"({points})"
    out.print(f"[bold]{_plain(report['scope']['name'])}[/bold]  score {shown}  {answer['grade']}  seen {answer['coverage']['pct']} %")
    for paragraph in answer["summary"]:
        out.print(_plain(paragraph))
    _table("Worst findings", ("severity", "check", "what", "due"), [_finding(one) for one in report["findings"][:WORST_SHOWN]])
    _table("First steps", ("stage", "step", "minutes", "score after"), [_step(one) for one in report["roadmap"][:STEPS_SHOWN]])
    out.print(f"Audit {made['id']}, sha256 {made['sha256']}", style="dim")


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    out.print(table)


def _finding(one: dict[str, Any]) -> tuple[str, ...]:
    return one["severity"], one["check"], one["seen"], one["due"]


def _step(one: dict[str, Any]) -> tuple[str, ...]:
    return one["stage"], f"{one['check']} {one['title']}", str(one["effort_min"]), str(one["score_after"])


def _plain(text: str) -> str:
    # Brackets are markup to the table; a name with brackets is a name.
    return text.replace("[", r"\[")
