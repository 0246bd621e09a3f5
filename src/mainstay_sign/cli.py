"""The command line: arguments in, one JSON object or a few lines out.

Owns: verbs, options, exit codes (0 done, 3 refused, 6 wrong input). Does not own: what the verbs do.
Invariant: a passphrase is never an argument; text for people goes to stderr, the outcome alone to stdout.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mainstay_sign import render, verbs
from mainstay_sign.signatory import Signatory
from mainstay_trust.errors import Rejected

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DONE, REFUSED, INVALID = 0, 3, 6
_REFUSALS = frozenset(
    {
        "version_old",
        "weaker",
        "not_confirmed",
        "unusual_characters",
        "threshold",
        "key_revoked",
        "keys_exist",
        "bad_passphrase",
        "bad_diary",
    }
)


def run(arguments: Sequence[str], *, now: Callable[[], int], environ: Mapping[str, str] | None = None) -> int:
    """Run one verb and return the exit code."""
    options = parser().parse_args(arguments)
    signatory = Signatory(
        keys_path=options.keys,
        now=now,
        environ=os.environ if environ is None else environ,
        passphrase_fd=options.passphrase_fd,
        confirm=options.confirm,
        is_unattended=getattr(options, "yes", False),
        accepts_unusual=options.accept_unusual,
        may_weaken=options.weaken,
        devices=options.devices,
    )
    try:
        outcome = options.verb(signatory, options)
    except Rejected as problem:
        _report(options, {"error": {"code": problem.code, "message": problem.detail}})
        return REFUSED if problem.code in _REFUSALS else INVALID
    _report(options, outcome)
    return DONE


def parser() -> ArgumentParser:
    root = ArgumentParser(prog="mainstay-sign", description="Sign trust documents with keys that the server does not hold.")
    verb = root.add_subparsers(required=True)
    _init(verb)
    _key(verb)
    _reading(verb)
    _signing(verb)
    _policy(verb)
    _orders(verb)
    _add(verb, "diary", verbs.diary, "check the diary and list what was signed")
    return root


def _init(verb: "_SubParsersAction[ArgumentParser]") -> None:
    init = _add(verb, "init", verbs.init, "root ceremony: the first root, and with --quick the first policy")
    way = init.add_mutually_exclusive_group(required=True)
    way.add_argument("--quick", action="store_true", help="one person, one key: reduced assurance")
    way.add_argument("--plan", type=Path, help="JSON: tenant, version, and each role with its threshold and public keys")
    init.add_argument("--tenant", help="26 characters")
    init.add_argument("--holder", default="owner", help="name of the person who holds the key")
    init.add_argument("--draft", type=Path, help="JSON: members of the first policy (keys, urls, pins, services, ...)")
    init.add_argument("--out", type=Path, required=True, help="folder for root.json and policy.json")
    init.add_argument("--yes", action="store_true", help="no confirmation: for a ceremony that another program shows and asks for")


def _key(verb: "_SubParsersAction[ArgumentParser]") -> None:
    key = _add(verb, "key", verbs.key, "make a key, or show public keys")
    key.add_argument("what", choices=("new", "show"))
    key.add_argument("--holder", default="owner")


def _reading(verb: "_SubParsersAction[ArgumentParser]") -> None:
    inspect = _add(verb, "inspect", verbs.inspect, "show a document from its own bytes")
    inspect.add_argument("file", type=Path)
    check = _add(verb, "verify", verbs.verify_document, "tell whether enough holders signed")
    check.add_argument("file", type=Path)
    check.add_argument("--root", type=Path, required=True)
    combine = _add(verb, "combine", verbs.combine, "merge the signatures of several copies")
    combine.add_argument("out", type=Path)
    combine.add_argument("files", type=Path, nargs="+")


def _signing(verb: "_SubParsersAction[ArgumentParser]") -> None:
    sign = _add(verb, "sign", verbs.sign, "add a signature to a document")
    sign.add_argument("file", type=Path)
    sign.add_argument("--out", type=Path, help="default: the file itself")


def _policy(verb: "_SubParsersAction[ArgumentParser]") -> None:
    policy = verb.add_parser("policy", help="next epoch of a policy, or the difference of two").add_subparsers(required=True)
    edit = _add(policy, "edit", verbs.policy_edit, "sign the next epoch")
    edit.add_argument("--current", type=Path, required=True, help="the policy in force")
    edit.add_argument("--changes", type=Path, required=True, help="JSON: the members that change")
    edit.add_argument("--out", type=Path, required=True)
    diff = _add(policy, "diff", verbs.policy_diff, "show what differs")
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)


def _orders(verb: "_SubParsersAction[ArgumentParser]") -> None:
    unfreeze = _add(verb, "unfreeze", verbs.unfreeze, "lift a freeze")
    unfreeze.add_argument("--device", action="append", default=[], help="26 characters; none means every device")
    unfreeze.add_argument("--valid-hours", type=int, default=24)
    succession = _add(verb, "succession", verbs.succession, "sign that a log ended and another continues it")
    for name in ("old-origin", "last-root", "new-origin", "new-vkey"):
        succession.add_argument(f"--{name}", required=True)
    succession.add_argument("--last-size", type=int, required=True)
    succession.add_argument("--checkpoint", type=Path, required=True, help="the first signed checkpoint of the new log")
    for order in (unfreeze, succession):
        order.add_argument("--tenant", required=True)
        order.add_argument("--reason", required=True)
        order.add_argument("--out", type=Path, required=True)


def _add(verb: "_SubParsersAction[ArgumentParser]", name: str, function: verbs.Verb, text: str) -> ArgumentParser:
    added = verb.add_parser(name, help=text)
    added.set_defaults(verb=function)
    added.add_argument("--keys", type=Path, default=Path("mainstay-keys.json"), help="the keys file; its diary stands beside it")
    added.add_argument("--key", help="id of the key to sign with, or its first digits")
    added.add_argument("--passphrase-fd", type=int, help="read the passphrase from this descriptor")
    added.add_argument("--confirm", help="'TARGETS LAST4' as `inspect` shows it, in place of typing it")
    added.add_argument("--accept-unusual", action="store_true", help="sign although characters are shown as escapes")
    added.add_argument("--weaken", action="store_true", help="sign although a threshold or demand falls")
    added.add_argument("--devices", type=int, default=1, help="number of devices, for the damage bound")
    added.add_argument("--json", action="store_true", help="print one JSON object")
    return added


def _report(options: Namespace, outcome: Mapping[str, object]) -> None:
    if options.json:
        print(json.dumps(outcome, ensure_ascii=True))
        return
    for name, value in outcome.items():
        for line in value if isinstance(value, list) else [value]:
            text = line if isinstance(line, str) else json.dumps(line, ensure_ascii=True)
            print(f"{name}: {render.escaped(text)}", file=sys.stderr if name == "error" else sys.stdout)
