"""`mainstay trust`: the guided ceremony that lets this installation repair, and the documents that come of it.

Owns: the conversation. It drives `mainstay-sign`, a program of its own, which makes and holds the offline keys; it hands the signed
documents to the server, which can make none; and it tells the root helper of this machine which root to adopt.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any  # documents are JSON of any shape

import typer
from rich.console import Console

from mainstay.cli.client import Client
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Conflict, Invalid, Unavailable

group = typer.Typer(no_args_is_help=True, help="The trust ceremony, and what a thief of this server could do at worst.")
out = Console(highlight=False, soft_wrap=True)
ADOPTED_WITHIN_S = 30

KeysOption = Annotated[Path, typer.Option("--keys", help="The file for the offline keys. Keep it away from this server afterwards.")]
HolderOption = Annotated[str, typer.Option("--holder", help="The name of the person who holds the keys.")]
ServiceOption = Annotated[list[str] | None, typer.Option("--service", help="A service of this machine that may be restarted; repeat it.")]
ServicesOption = Annotated[Path | None, typer.Option("--services", help="A JSON file with services as the policy lists them.")]
BudgetsOption = Annotated[Path | None, typer.Option("--budgets", help="A JSON file with budgets that replace the defaults.")]
PassphraseOption = Annotated[Path | None, typer.Option("--passphrase-file", help="Read the passphrase here instead of asking.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Sign without asking again.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="trust")


@group.command("init")
def init(
    keys: KeysOption,
    holder: HolderOption = "",
    service: ServiceOption = None,
    services: ServicesOption = None,
    budgets: BudgetsOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Make the offline keys, sign the first root and policy, and let listed services be repaired."""
    client = Client.from_environment()
    state = client.get("/automation/trust")
    if state["root_version"] is not None:
        raise Conflict("trust.already_held", "The ceremony was held already; change the policy with `mainstay-sign policy edit`.")
    listed = [_listed(name) for name in service or []] + (_read_list(services) if services else [])
    draft = _draft(state, listed, _read_object(budgets) if budgets else {})
    _explain(keys, listed)
    if not yes and not typer.confirm("Make the keys and sign?"):
        raise typer.Exit(3)
    signed = _sign(keys, holder or _user_name(), state, draft, passphrase_file)
    client.post("/automation/trust/documents", {"envelopes": [signed["root"], signed["policy"]]})
    _report(client.get("/automation/trust"), signed["fingerprint"])
    _adopt_here(signed["fingerprint"])


@group.command("show")
def show(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show the documents in force and the damage bound."""
    state = Client.from_environment().get("/automation/trust")
    if as_json:
        print(json.dumps(state))
        return
    if state["root_version"] is None:
        out.print("No trust ceremony was held: all is watched, nothing above observation (T0) runs.")
        out.print("To let Mainstay repair: mainstay trust init --keys FILE --service NAME")
        return
    _report(state, state["root_fingerprint"])


@group.command("import")
def import_documents(files: list[Path], as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Hand documents that were signed elsewhere to the server, in the order given."""
    envelopes = [_read_object(file) for file in files]
    kept = Client.from_environment().post("/automation/trust/documents", {"envelopes": envelopes})
    if as_json:
        print(json.dumps(kept))
        return
    for one in kept:
        if one["version"] is None:
            out.print(f"{one['kind']} {one['sha256'][:16]} is kept; each device fetches it with its next poll and judges it itself.")
        else:
            out.print(f"{one['kind']} {one['version']} is in force.")


def _listed(unit: str) -> dict[str, Any]:
    manager = "systemd" if Path("/run/systemd/system").is_dir() else "sysv"
    name = f"{unit}.service" if manager == "systemd" and "." not in unit else unit
    empty = dict.fromkeys(("start", "stop", "status", "reload", "probe", "devices", "user", "cwd"))
    return {"name": unit, "manager": manager, "unit": name, "allow": ["start", "restart"], **empty}


def _draft(state: dict[str, Any], services: list[dict[str, Any]], budgets: dict[str, Any]) -> dict[str, Any]:
    """Return the members of the policy that only this installation knows; the signing tool adds the rest and the defaults."""
    draft: dict[str, Any] = {
        "keys": {"server": _keys(state["server"]), "reply": _keys(state["reply"]), "ledger": state["ledger"]},
        "services": services,
        "log_sources": [],
    }
    return draft | ({"budgets": budgets} if budgets else {})


def _keys(public: list[str]) -> list[dict[str, Any]]:
    return [{"pub": one, "holder": "this server", "expires": None} for one in public]


def _explain(keys: Path, listed: list[dict[str, Any]]) -> None:
    out.print("The trust ceremony")
    out.print(f"  Offline keys go to {keys}, protected by a passphrase. Move the file away from this server afterwards.")
    out.print("  One person holds all roles: this is reduced assurance, and every page will say so.")
    names = ", ".join(one["unit"] for one in listed) or "none"
    out.print(f"  Services that may be restarted: {names}")
    out.print("  With a listed service, self-healing goes from shadow to act: it restarts, verifies, and proves.\n")


def _sign(keys: Path, holder: str, state: dict[str, Any], draft: dict[str, Any], passphrase_file: Path | None) -> dict[str, Any]:
    """Let `mainstay-sign` make the keys and sign; this process never sees a private key."""
    with tempfile.TemporaryDirectory(prefix="mainstay-ceremony-") as folder:
        draft_file = Path(folder) / "draft.json"
        draft_file.write_text(json.dumps(draft))
        argv = [sys.executable, "-m", "mainstay_sign", "init", "--quick", "--yes", "--json", "--keys", str(keys), "--holder", holder]
        argv += ["--tenant", state["tenant"], "--draft", str(draft_file), "--out", folder, "--devices", str(max(1, len(state["devices"])))]
        environ = dict(os.environ) | ({"MAINSTAY_SIGN_PASSPHRASE_FILE": str(passphrase_file)} if passphrase_file else {})
        done = subprocess.run(argv, env=environ, stdout=subprocess.PIPE, text=True, check=False)
        answer = json.loads(done.stdout) if done.stdout.strip() else {}
        if done.returncode:
            problem = answer.get("error", {})
            raise Invalid(
                f"trust.{problem.get('code', 'not_signed')}",
                problem.get("message", "The signing tool did not sign; see its message above."),
            )
        return answer | {name: json.loads((Path(folder) / f"{name}.json").read_text()) for name in ("root", "policy")}


def _report(state: dict[str, Any], fingerprint: str) -> None:
    out.print(f"Root {state['root_version']} and policy {state['policy_epoch']} are in force until {state['expires_at']}.")
    if state["is_reduced"]:
        out.print("This is reduced assurance: one person can sign everything.")
    bound = state["damage_bound"]
    out.print(
        f"A theft of this server can at worst: restart services {bound['restarts_per_day']} times a day, "
        f"reboot {bound['reboots_per_day']} times, install vendor-signed patches {bound['patch_installs_per_day']} times, "
        f"run {bound['unsigned_scripts']} scripts that you have not signed, over {bound['devices']} devices."
    )
    out.print(f"On each further device, as root: mainstay-agent trust {fingerprint}")


def _adopt_here(fingerprint: str) -> None:
    """Tell the helper of this machine which root to adopt; only local root may, and a server cannot push it."""
    layout = Layout.from_environment()
    if os.geteuid() != 0 or not layout.helper_socket.exists():
        out.print(
            "This machine has no root helper running, so it stays at observation: start `mainstay up` as root, then run the line above."
        )
        return
    argv = [sys.executable, "-m", "mainstay_agent", "trust", fingerprint]
    environ = {
        **os.environ,
        "MAINSTAY_AGENT_STATE": str(layout.agent),
        "MAINSTAY_HELPER_STATE": str(layout.helper),
        "MAINSTAY_HELPER_SOCKET": str(layout.helper_socket),
    }
    deadline = time.monotonic() + ADOPTED_WITHIN_S
    while True:
        # The helper can adopt a root only once the agent has fetched it, which takes one poll.
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            out.print("This machine has adopted the root: it repairs what the policy lists.")
            return
        if time.monotonic() > deadline:
            raise Unavailable(
                "trust.not_adopted", f"The helper of this machine did not adopt the root: {done.stderr.strip() or done.stdout.strip()}"
            )
        time.sleep(0.5)


def _read_list(file: Path) -> list[dict[str, Any]]:
    value = _read(file)
    if not isinstance(value, list):
        raise Invalid("trust.bad_file", f"{file} holds no JSON list of services.")
    return value


def _read_object(file: Path) -> dict[str, Any]:
    value = _read(file)
    if not isinstance(value, dict):
        raise Invalid("trust.bad_file", f"{file} holds no JSON object.")
    return value


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as problem:
        raise Invalid("trust.bad_file", f"{file} cannot be read as JSON: {problem}") from problem


def _user_name() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or "owner"
