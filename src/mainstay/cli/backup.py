"""`mainstay backup self` and `mainstay restore self`: everything a new machine needs, in one file that a passphrase opens.

Owns: arguments, the passphrase's way in, what is printed. Does not own: what is in the file (engines.backup).
"""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mainstay.engines.backup.make import make_backup
from mainstay.engines.backup.restore import OLD_SETTINGS, restore_backup
from mainstay.engines.layout import Layout
from mainstay.engines.status import supervisor_pid
from mainstay.kernel.errors import Conflict, Invalid, Unavailable

backup = typer.Typer(no_args_is_help=True, help="Back up this installation itself.")
restore = typer.Typer(no_args_is_help=True, help="Bring a backup of an installation back.")
PASSPHRASE_CHARS_MIN = 12

FileArgument = Annotated[Path, typer.Argument(help="The backup file.")]
PassphraseOption = Annotated[Path | None, typer.Option("--passphrase-file", help="Read the passphrase here instead of asking.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    app.add_typer(backup, name="backup")
    app.add_typer(restore, name="restore")


@backup.callback()
def _backup() -> None:
    """Back up this installation itself."""


@restore.callback()
def _restore() -> None:
    """Bring a backup of an installation back."""


@backup.command("self")
def backup_self(file: FileArgument, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Write database, telemetry, keys and settings into one sealed file. Mainstay keeps running meanwhile."""
    layout = Layout.from_environment()
    if supervisor_pid(layout) is None:
        raise Unavailable("cli.not_running", f"Mainstay is not running on {layout.data}; start it with: mainstay up", retryable=False)
    passphrase = _passphrase(passphrase_file, confirm=True)
    made = make_backup(layout, file.absolute(), passphrase=passphrase, release=version("mainstay"), at=datetime.now(UTC))
    if as_json:
        print(json.dumps({"file": str(made.file), "bytes": made.size_bytes, "rows": made.rows, "telemetry_rows": made.telemetry_rows}))
        return
    print(f"{made.file}: {made.size_bytes:,} bytes, {made.rows:,} rows, {made.telemetry_rows:,} rows of telemetry.")
    print("Keep it on another machine, and the passphrase elsewhere. It is proven once it was restored:")
    print(f"  MAINSTAY_DATA=/some/empty/folder mainstay restore self {made.file}")


@restore.command("self")
def restore_self(file: FileArgument, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Bring a backup back into the empty folder that MAINSTAY_DATA names, and compare it with what was sealed."""
    layout = Layout.from_environment()
    if supervisor_pid(layout) is not None:
        raise Conflict("cli.is_running", f"Mainstay is running on {layout.data}; restore into an empty folder that MAINSTAY_DATA names")
    if not file.is_file():
        raise Invalid("cli.no_such_file", f"{file} is not there")
    restored = restore_backup(layout, file.absolute(), passphrase=_passphrase(passphrase_file), at=datetime.now(UTC))
    if as_json:
        print(json.dumps({"made_at": restored.made_at, "rows": restored.rows, "telemetry_rows": restored.telemetry_rows}))
        return
    print(
        f"Back as of {restored.made_at}: {restored.tables} tables, {restored.rows:,} rows, {restored.telemetry_rows:,} rows of telemetry,"
    )
    print("each table with as many rows as were sealed. Start it with: mainstay up")
    if (layout.data / OLD_SETTINGS).exists():
        print(f"The settings of then are in {layout.data / OLD_SETTINGS}; copy what still holds into mainstay.toml before the start.")
    print("Leave the old server off: two servers with one ledger key would fork the ledger, and every agent would say so.")


def _passphrase(file: Path | None, *, confirm: bool = False) -> str:
    if file is not None:
        try:
            said = file.read_text().strip("\r\n")
        except OSError as problem:
            raise Invalid("cli.no_such_file", f"{file} cannot be read: {problem.strerror}") from problem
    else:
        said = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    if len(said) < PASSPHRASE_CHARS_MIN:
        raise Invalid("cli.passphrase_short", f"the passphrase needs at least {PASSPHRASE_CHARS_MIN} characters: the file holds every key")
    return str(said)
