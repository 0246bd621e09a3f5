"""`mainstay export` and `mainstay apply`: configuration as files.

Owns: folders, what is printed, the question before anything changes. Does not own: the files' meaning (the server reads them).
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any  # lines of a plan are JSON

import typer

from mainstay.cli.client import Client
from mainstay.kernel.errors import Invalid, Refused

SUFFIX = ".yaml"
SIGNS = {"create": "+", "update": "~", "remove": "-", "unmanaged": " ", "waiting": "?"}
QUIET = {"unmanaged": "not in the files, left as it is", "waiting": "waits: no such device has joined; apply again when it has"}


def register(app: typer.Typer) -> None:
    app.command("export")(export)
    app.command("apply")(apply)


def export(
    folder: Annotated[Path, typer.Option("-o", "--output", help="The folder to write to.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the configuration as files: one per kind, sorted, without ids, times or secrets."""
    files: dict[str, str] = Client.from_environment().get("/console/config")["files"]
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"*{SUFFIX}"):
        if stale.name not in files:
            stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(json.dumps(sorted(files)) if as_json else f"{folder}: {', '.join(sorted(files)) or 'nothing is configured'}")


def apply(
    folder: Annotated[Path, typer.Option("-f", "--files", help="The folder with the files.")],
    file_set: Annotated[str, typer.Option("--set", help="The name of this set of files.")] = "main",
    prune: Annotated[bool, typer.Option("--prune", help="Remove what this set made and no longer names.")] = False,
    overwrite_drift: Annotated[bool, typer.Option("--overwrite-drift", help="Overwrite what was changed outside the files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the files would change, ask, and apply all of it or nothing."""
    client = Client.from_environment()
    wish = {"files": _read(folder), "file_set": file_set, "prune": prune, "overwrite_drift": overwrite_drift}
    plan = client.post("/console/config", wish | {"dry_run": True})
    changes = [line for line in plan["lines"] if line["change"] not in QUIET]
    if not as_json:
        _show(plan["lines"])
    if changes:
        _ask(yes)
    if changes or any(line["change"] == "waiting" for line in plan["lines"]):
        plan = client.post("/console/config", wish)
    if as_json:
        print(json.dumps(plan))
    else:
        print(f"Applied: {len(changes)} changes." if changes else "No change.")


def _read(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise Invalid("config.no_folder", f"{folder} is no folder.")
    try:
        return {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob(f"*{SUFFIX}"))}
    except (OSError, UnicodeDecodeError) as problem:
        raise Invalid("config.not_readable", f"{folder}: a file cannot be read as UTF-8 text ({problem})") from problem


def _show(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        what = QUIET.get(line["change"], line["place"])
        print(f"  {SIGNS[line['change']]} {line['kind']:<8} {line['key']:<40} {what}")
        for name, value in (line["new"] or {}).items() if line["change"] == "update" else ():
            if line["old"][name] != value:
                print(f"      {name}: {line['old'][name]!r} -> {value!r}")


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("config.not_confirmed", "Nothing was applied: say --yes where nobody can be asked.")
    if not typer.confirm("Apply?"):
        raise typer.Exit(3)
