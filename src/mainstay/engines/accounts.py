"""Which user of the operating system runs which process.

Owns: the choice (one user each when started as root, else the one who started us), and making the missing users.
Does not own: what a user may read (engines.ground). Invariant: as root, nothing but the helper keeps root.
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mainstay
from mainstay.engines import launch
from mainstay.engines.layout import SYSTEM_USERS
from mainstay.kernel.errors import Unavailable

_LAUNCHER = Path(launch.__file__)


@dataclass(frozen=True)
class Accounts:
    """The users of one installation. An empty name means: the user that runs this program."""

    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_separate(self) -> bool:
        return bool(self.users)

    def user_of(self, process: str) -> str:
        return self.users.get(process, "")

    def uid_of(self, process: str) -> int:
        user = self.user_of(process)
        return pwd.getpwnam(user).pw_uid if user else os.geteuid()

    def gid_of(self, process: str) -> int:
        user = self.user_of(process)
        return pwd.getpwnam(user).pw_gid if user else os.getegid()

    def name_of(self, process: str) -> str:
        return pwd.getpwuid(self.uid_of(process)).pw_name


def accounts_of_this_machine() -> Accounts:
    """Return one user per process when we are root, else nobody but ourselves."""
    return Accounts(SYSTEM_USERS) if os.geteuid() == 0 else Accounts()


def ensure_system_users(accounts: Accounts) -> None:
    """Create the users that are missing. Errors: Unavailable("engines.user_not_created") with the tool's own words."""
    for user in sorted(set(accounts.users.values())):
        try:
            pwd.getpwnam(user)
        except KeyError:
            _create(user)


def launch_argv(
    argv: Sequence[str], *, user: str = "", needs: Sequence[Path] = (), death_signal: int = signal.SIGTERM, may_gain: bool = False
) -> list[str]:
    """Return the argv that runs `argv` as `user`, reaching the code and `needs`, and ending with this process.

    Only the main thread may start it: the kernel binds the death signal to the thread that forked.
    """
    plan: launch.Plan = {
        "user": user,
        "argv": [_absolute(argv[0]), *argv[1:]],
        "needs": sorted({str(path) for path in [*_code_folders(), *needs]}) if user else [],
        "parent": os.getpid(),
        "death_signal": death_signal,
        "no_new_privileges": not may_gain,
    }
    return [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(plan)]


def _code_folders() -> list[Path]:
    """The interpreter, the virtual environment and our own source, each under the name and the place that it has."""
    folders = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1], Path(mainstay.__file__).parents[2]]
    return [*folders, *(folder.resolve() for folder in folders)]


def _absolute(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Unavailable("engines.program_missing", f"{program} is not installed or not executable", retryable=False)
    return found


def _create(user: str) -> None:
    tool = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        raise _not_created(user, "this system has no useradd")
    shell = shutil.which("nologin", path="/usr/sbin:/sbin:/usr/bin:/bin") or "/bin/false"
    made = subprocess.run(
        [tool, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell, "--user-group", user],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if made.returncode not in (0, 9):  # 9: somebody else made it meanwhile
        raise _not_created(user, made.stderr.strip())


def _not_created(user: str, cause: str) -> Unavailable:
    message = f"the system user {user} cannot be created ({cause}); create it, or start Mainstay as an ordinary user"
    return Unavailable("engines.user_not_created", message, retryable=False)
