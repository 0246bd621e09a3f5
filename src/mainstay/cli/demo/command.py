"""`mainstay demo`: a provider with three clients and sixty machines, and on top of it the whole loop, live, on this machine.

Owns: the command, what is printed, the live story: a real agent, a ceremony with keys that count for nothing else, a daemon that is
killed, its signed restart, the evidence. Does not own: the invented world (the other modules of this package).
Invariant: it never touches a data folder that is not a demonstration's.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any  # rows of lists are JSON of any shape

import typer

from mainstay.cli.demo import service as demo_service
from mainstay.cli.demo import up as demo_up
from mainstay.engines.layout import Layout
from mainstay.engines.status import read_status, supervisor_pid
from mainstay.kernel.errors import Conflict, Unavailable
from mainstay.kernel.ids import from_base32

UNIT = "demod"
READY_S, STORY_S = 1200, 90
PORT = 8090
MARK = "demo.installation"


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(remove: Annotated[bool, typer.Option("--remove", help="Remove the demo's installation.")] = False) -> None:
    """Show Mainstay at work: three clients, sixty machines, two weeks, and a repair that happens now. Labelled DEMO, in its own folder."""
    layout = _layout()
    if supervisor_pid(layout) is not None:
        raise Conflict("demo.already_running", f"The demo already runs on {layout.data}; stop it first with Ctrl-C where it runs")
    _require_own(layout)
    if remove:
        shutil.rmtree(layout.data, ignore_errors=True)
        print(f"Removed {layout.data}.")
        return
    if not (demo_up.folder_of(layout) / demo_up.LOADED).exists():
        # A loading that was broken off left half a past; it is invented, and made again.
        shutil.rmtree(layout.data, ignore_errors=True)
    layout.data.mkdir(parents=True, exist_ok=True)
    (layout.data / MARK).touch()
    Story(layout).tell()


def _layout() -> Layout:
    """Return where the demo lives: never where the real installation does, unless somebody names the folder."""
    chosen = dict(os.environ)
    chosen.setdefault("MAINSTAY_DATA", f"{Layout.from_environment().data}-demo")
    chosen.setdefault("MAINSTAY_PORT", str(PORT))
    return Layout.from_environment(chosen)


def _require_own(layout: Layout) -> None:
    """Refuse a folder that holds something else. Errors: Conflict."""
    if layout.data.exists() and any(layout.data.iterdir()) and not (layout.data / MARK).exists():
        raise Conflict("demo.not_a_demo", f"{layout.data} holds an installation that is no demo. Name another folder in MAINSTAY_DATA.")


class Story:
    """One telling. `mainstay up` runs as a child of it and ends with it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.folder = layout.data / "demo-service"
        self.environ = {
            **os.environ,
            "MAINSTAY_DEMO": "true",
            "MAINSTAY_LABEL": "DEMO",
            "MAINSTAY_DATA": str(layout.data),
            "MAINSTAY_PORT": str(layout.port),
        }

    def tell(self) -> None:
        """Start, hold the ceremony, kill the service, print what happens, and stay until Ctrl-C or a signal."""
        # A plain kill would leave the installation running behind; it ends as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        up = subprocess.Popen([sys.executable, "-m", "mainstay.cli.demo"], env=self.environ)
        try:
            _until(lambda: read_status(self.layout)["ready"] or up.poll() is not None, READY_S, "the installation to be ready")
            if up.poll() is not None:
                raise Unavailable("demo.not_started", "The installation did not start; the lines above say why.", retryable=False)
            if os.geteuid() == 0:
                self._repair()
            else:
                print("\n  Started as an ordinary user it only observes. As root the demo also kills a service and lets it be repaired.")
            print("\n  Look around with the links above. Ctrl-C ends the demo, and the next start goes on with it.")
            print("  `make demo-remove` removes it (without a clone: `mainstay demo --remove`).")
            up.wait()
        except KeyboardInterrupt:
            print("\n  Stopping.")
        finally:
            demo_service.stop(self.folder)
            if up.poll() is None:
                up.send_signal(signal.SIGTERM)
            up.wait()

    def _repair(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        demo_service.start(self.folder)
        if self._json("trust", "show")["root_version"] is None:
            self._hold_ceremony()
        _until(lambda: self._unit_state() == "running", STORY_S, "the agent to see the service")
        pid = demo_service.running(self.folder)
        print(f"\n  Now the demo kills the service {UNIT} (process {pid}) and keeps its hands off.\n")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        self._watch(time.monotonic())
        evidence = self.layout.data / "evidence.zip"
        self._run("ledger", "export", str(evidence))
        print(f"\n  The evidence is in {evidence}. Check it without the server: mainstay-verify pack {evidence}")

    def _hold_ceremony(self) -> None:
        passphrase = self.layout.data / "demo-passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
        services = self.layout.data / "demo-services.json"
        services.write_text(json.dumps([self._service()]))
        keys = self.layout.data / "demo-offline.keys"
        print("\n  A ceremony with keys of the demo, which lie beside it: never do that with real ones.\n")
        argv = ["trust", "init", "--keys", str(keys), "--passphrase-file", str(passphrase), "--holder", "DEMO", "--services", str(services)]
        print(self._run(*argv, "--yes"))

    def _service(self) -> dict[str, Any]:
        verbs = {verb: [sys.executable, demo_service.__file__, str(self.folder), verb] for verb in ("start", "stop", "status")}
        empty = dict.fromkeys(("reload", "probe", "devices", "user", "cwd"))
        return {"name": UNIT, "manager": "argv", "unit": UNIT, "allow": ["start", "restart"], **verbs, **empty}

    def _unit_state(self) -> str:
        # The sixty others are listed, too; which device this machine is stands in its agent's receipt.
        receipt = json.loads((self.layout.agent / "receipt.json").read_text(encoding="utf-8"))
        units = self._json("device", str(from_base32(receipt["device"]))).get("units", {})
        return str(units.get(UNIT, ""))

    def _watch(self, began: float) -> None:
        told: set[str] = set()

        def look() -> bool:
            for line in self._lines():
                if line not in told:
                    told.add(line)
                    print(f"  {time.monotonic() - began:5.1f} s  {line}", flush=True)
            return any(line.startswith("incident") and "resolved" in line for line in told)

        _until(look, STORY_S, "the incident to be resolved")

    def _lines(self) -> list[str]:
        alerts = [f"alert     {row['summary']} ({row['phase']})" for row in self._json("alerts") if UNIT in str(row["summary"])]
        incidents = [row for row in self._json("incidents") if UNIT in str(row["title"])]
        told = [f"incident  {row['reference']} {row['title']} ({row['status']}{_how(row)})" for row in incidents]
        runs = [f"run       {row['runbook']} on {row['subject']} ({row['state']})" for row in self._json("runs") if row["subject"] == UNIT]
        return [*alerts, *told, *runs]

    def _json(self, *argv: str) -> Any:
        said = self._run(*argv, "--json", check=False)
        return json.loads(said) if said.strip() else {}

    def _run(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run([*_MAINSTAY, *argv], env=self.environ, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise Unavailable("demo.step_failed", f"`mainstay {' '.join(argv[:2])}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout


_MAINSTAY = (sys.executable, "-m", "mainstay.cli")


def _how(row: dict[str, Any]) -> str:
    return f", {row['resolution']}" if row.get("resolution") else ""


def _until(look: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise Unavailable("demo.too_slow", f"The demo waited {seconds:.0f} s for {what}; the logs are in the data folder.")
        time.sleep(0.5)
