"""service.start, .restart, .reload and .status.

Owns: the steps of each verb for the three kinds of manager, waiting until the service has the state that the verb promises.
Does not own: which services may be touched (policy, checked by `authority`).
Invariant: success means that the manager reports the service running afterwards, not that a command returned 0.
"""

import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from mainstay_agent.actions.program import ActionFailed, Request, lift_limits, run, say, show
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import PATH, kill_group
from mainstay_agent.services.managers import Managers
from mainstay_agent.services.model import Definition, Status, Verb

COMMAND_TIMEOUT_S = 60.0
SETTLE_S = 15.0
LOOK_EVERY_S = 0.25


def main(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else ""
    return run(_VERBS[verb]) if verb in _VERBS else 2


def _status(request: Request) -> None:
    _report(_target(request).status())


def _start(request: Request) -> None:
    target = _target(request)
    target.perform("start")
    _report(target.wait_running())


def _restart(request: Request) -> None:
    target = _target(request)
    if target.has("restart"):
        target.perform("restart")
    else:
        # A service that is down already needs no stop, and a stop that fails must not keep it down.
        if target.status().state == "running" and target.has("stop"):
            target.perform("stop", must_succeed=False)
            target.wait_stopped()
        target.perform("start")
    _report(target.wait_running())


def _reload(request: Request) -> None:
    target = _target(request)
    target.perform("reload")
    _report(target.wait_running())


_VERBS = {"status": _status, "start": _start, "restart": _restart, "reload": _reload}


class Target:
    """One service together with its manager."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._managers = Managers(Machine(), [definition] if definition.manager else [])

    def status(self) -> Status:
        return self._managers.statuses([self._definition.unit])[self._definition.unit]

    def has(self, verb: Verb) -> bool:
        return self._argv(verb) is not None

    def perform(self, verb: Verb, *, must_succeed: bool = True) -> None:
        argv = self._argv(verb)
        if argv is None:
            raise ActionFailed(f"{self._definition.unit}: the policy gives no command for {verb}")
        code, said = self._run(argv)
        say(f"{verb}: exit {code}" + (f"\n{said}" if said else ""))
        if must_succeed and code not in (0, None):
            raise ActionFailed(f"{self._definition.unit}: {verb} ended with {code}")

    def wait_running(self) -> Status:
        return self._wait(lambda status: status.state == "running")

    def wait_stopped(self) -> Status:
        return self._wait(lambda status: status.state != "running")

    def _wait(self, is_reached: Callable[[Status], bool]) -> Status:
        deadline = time.monotonic() + SETTLE_S
        status = self.status()
        while not is_reached(status) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
            status = self.status()
        return status

    def _argv(self, verb: Verb) -> list[str] | None:
        provider = self._managers.provider_of(self._definition.unit)
        return provider.argv(self._definition.unit, verb) if provider else None

    def _run(self, argv: Sequence[str]) -> tuple[int | None, str]:
        """Run a command of a manager in a session of its own; None means that it stays in the foreground and the service runs."""
        with tempfile.TemporaryFile() as output:
            process = self._spawn(argv, output.fileno())
            code = self._await(process)
            output.seek(0)
            return code, output.read(8192).decode("utf-8", "replace").strip()

    def _spawn(self, argv: Sequence[str], output: int) -> subprocess.Popen[bytes]:
        one = self._definition
        account = _account(one.user)
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": PATH, "LC_ALL": "C", "HOME": account.pw_dir if account else "/"},
                cwd=one.cwd or "/",
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=os.getgrouplist(account.pw_name, account.pw_gid) if account else None,
            )
        except (OSError, subprocess.SubprocessError) as problem:
            raise ActionFailed(f"{one.unit}: {argv[0]} could not be started: {problem}") from problem

    def _await(self, process: subprocess.Popen[bytes]) -> int | None:
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                return process.wait(LOOK_EVERY_S * 4)
            except subprocess.TimeoutExpired:
                # Some start commands are the service itself and never return: what counts is that it runs.
                if self._definition.manager == "argv" and self.status().state == "running":
                    return None
        kill_group(process.pid)
        raise ActionFailed(f"{self._definition.unit}: the command did not end within {COMMAND_TIMEOUT_S:.0f} s")


def _account(user: str | None) -> pwd.struct_passwd | None:
    if user is None or os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError as problem:
        raise ActionFailed(f"user {user} does not exist") from problem


def _target(request: Request) -> Target:
    unit = request.text("unit")
    definition = Definition.from_policy(request.service) if request.service else Definition(unit, unit, "")
    if definition.unit != unit:
        raise ActionFailed("the policy entry belongs to another unit")
    lift_limits()
    return Target(definition)


def _report(status: Status) -> None:
    show({"unit": status.unit, "manager": status.manager, "state": status.state, "detail": status.detail, "pid": status.pid})
    if sys.argv[1] != "status" and status.state != "running":
        raise ActionFailed(f"{status.unit} is {status.state} afterwards")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
