"""The command line of the endpoint agent.

Owns: arguments, messages, exit codes (0 done, 3 refused, 4 not enrolled, 6 wrong input, 7 unreachable).
Does not own: anything that it starts.
Invariant: what needs root is refused by the authority, not by this program.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from mainstay_agent import VERSION
from mainstay_agent.authority.asking import Asks
from mainstay_agent.authority.freezing import freeze_file
from mainstay_agent.host.clocks import SystemClock
from mainstay_agent.net import admission, diagnosis, identity
from mainstay_agent.net.exchange import HttpExchange
from mainstay_agent.net.halves import open_asks
from mainstay_agent.net.identity import Home, Receipt
from mainstay_agent.net.link import Link
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.enrol import parse_code
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, public_from_hex

DONE, FAILED, REFUSED, NOT_ENROLLED, INVALID, UNREACHABLE = 0, 1, 3, 4, 6, 7
ENROL_LOOK_EVERY_S = 2.0
# One heap for all threads, which take turns anyway, and what is free goes back to the machine.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Home], int] = options.command
    try:
        return command(options, Home.from_environment())
    except Rejected as problem:
        return _fail(INVALID if problem.code == "bad_code" else REFUSED, problem.code, problem.detail)
    except ServerRefused as problem:
        return _fail(REFUSED, problem.code, problem.message)
    except (Unreachable, ConnectionError) as problem:
        return _fail(UNREACHABLE, getattr(problem, "code", "unreachable"), str(problem))
    except (PermissionError, ValueError) as problem:
        return _fail(INVALID, type(problem).__name__, str(problem))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mainstay-agent", description="The Mainstay agent of this machine.")
    parser.add_argument("--version", action="version", version=VERSION)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace, Home], int], text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.set_defaults(command=command)
        return verb

    add("run", _run, "Observe this machine (what the service starts).")
    join = add("join", _join, "Join a tenant with a code.")
    join.add_argument("url", help="address of the server, such as https://192.0.2.10:8443")
    join.add_argument("--code", help="the code of five groups; read from standard input when left out")
    join.add_argument("--owner", help="user who will run the agent and own its state (when joining as root)")
    trust = add("trust", _trust, "Adopt the tenant's first root by its fingerprint (as root).")
    trust.add_argument("fingerprint", help="64 hexadecimal digits, as `mainstay trust init` printed them")
    add("order", _order, "Carry out an order that people signed offline: `unfreeze` or `succession`.").add_argument(
        "file", type=Path, help="the signed order, as mainstay-sign wrote it"
    )
    add("status", _status, "Show whether the server is reached, and what this machine allows.")
    add("log", _log, "Show the results that this device has signed.").add_argument("--verify", action="store_true", help="check the chain")
    add("diag", _diag, "Check the way to the server step by step.")
    add("freeze", _freeze, "Stop everything above observation (as root).").add_argument(
        "--lift", action="store_true", help="remove the local freeze"
    )
    add("leave", _leave, "Leave the tenant and destroy this device's keys (as root).")
    return parser


def _run(_options: argparse.Namespace, home: Home) -> int:
    """Wait until this machine has joined, then become the net process."""
    receipt = _wait_for_receipt(home)
    if receipt is None:
        return DONE
    # Another program and not a function: what only the command line and an authority need must not stay in memory for months.
    module = "mainstay_agent.net" if receipt.has_helper else "mainstay_agent.net.alone"
    return os.execve(sys.executable, [sys.executable, "-m", module], {**MALLOC, **os.environ})  # noqa: S606 our own interpreter


def _wait_for_receipt(home: Home) -> Receipt | None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    receipt = identity.load(home)
    while receipt is None and not stopping.wait(ENROL_LOOK_EVERY_S):
        receipt = identity.load(home)
    return None if stopping.is_set() else receipt


def _join(options: argparse.Namespace, home: Home) -> int:
    code = options.code or sys.stdin.readline()
    receipt = admission.join(home, options.url, parse_code(code))
    if options.owner:
        admission.hand_over(home, options.owner)
    _show(options, {"device": receipt.device, "tenant": receipt.tenant, "state": receipt.body.get("state"), "helper": receipt.has_helper})
    return DONE


def _trust(options: argparse.Namespace, home: Home) -> int:
    receipt = _receipt(home)
    asks, _ = open_asks(home, receipt)
    documents = _link(home, receipt, asks).call("GET", "/agent/v1/docs").data
    fingerprint = options.fingerprint.replace(":", "").replace(" ", "").lower()
    answer = asks.ask(
        "docs", {"op": "adopt", "fingerprint": fingerprint, "roots": documents.get("roots"), "policy": documents.get("policy")}
    )
    _show(options, {name: answer.get(name) for name in ("root_fingerprint", "root_version", "policy_epoch", "reduced")})
    return DONE


def _order(options: argparse.Namespace, home: Home) -> int:
    """An order proves itself: it may come on a stick as well as from a server."""
    try:
        envelope = canonical.parse(options.file.read_bytes().strip())
    except OSError as problem:
        return _fail(INVALID, "no_file", str(problem))
    asks, _ = open_asks(home, _receipt(home))
    answer = asks.ask("docs", {"op": "order", "envelope": envelope})
    _show(options, {name: answer.get(name) for name in ("freeze", "checkpoint", "ledger_alarm")})
    return DONE


def _status(options: argparse.Namespace, home: Home) -> int:
    receipt = _receipt(home)
    _show(options, diagnosis.status(home, receipt, open_asks(home, receipt)[0]))
    return DONE


def _log(options: argparse.Namespace, home: Home) -> int:
    asks, _ = open_asks(home, _receipt(home))
    if not options.verify:
        _show(options, {"results": diagnosis.results(asks)})
        return DONE
    verdict = asks.ask("log", {"verify": True})
    _show(options, verdict)
    return DONE if verdict.get("code") is None else FAILED


def _diag(options: argparse.Namespace, home: Home) -> int:
    checks = diagnosis.checks(home, _receipt(home))
    _show(options, {"checks": [*checks]})
    return DONE if all(check["ok"] for check in checks) else UNREACHABLE


def _freeze(options: argparse.Namespace, _home: Home) -> int:
    file = freeze_file()
    if options.lift:
        file.unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o644)
    _show(options, {"frozen": file.exists(), "file": str(file)})
    return DONE


def _leave(options: argparse.Namespace, home: Home) -> int:
    receipt = _receipt(home)
    asks, _ = open_asks(home, receipt)
    was_told = admission.leave(asks, _link(home, receipt, asks))
    identity.wipe(home)
    _show(options, {"left": receipt.tenant, "server_told": was_told})
    return DONE


def _receipt(home: Home) -> Receipt:
    receipt = identity.load(home)
    if receipt is None:
        sys.exit(_fail(NOT_ENROLLED, "not_enrolled", "this machine has not joined; run `mainstay-agent join URL --code CODE`"))
    return receipt


def _link(home: Home, receipt: Receipt, asks: Asks) -> Link:
    listed = asks.ask("query", {}).get("reply_keys")
    named = [Key(public_from_hex(public), "reply") for public in listed] if isinstance(listed, list) else []
    exchange = HttpExchange(receipt.url, lambda: {receipt.spki})
    return Link(exchange, home.key("transport"), SystemClock(), lambda: named or receipt.keys("reply"))


def _show(options: argparse.Namespace, value: Mapping[str, JSON]) -> None:
    if options.json:
        print(json.dumps(value))
        return
    for name, item in value.items():
        print(f"{name:18} {item if not isinstance(item, list | dict) else json.dumps(item)}")


def _fail(code: int, name: str, sentence: str) -> int:
    print(f"mainstay-agent: {name}: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
