"""What a process may see and do after it was launched, and who owns which folder."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, accounts_of_this_machine, ensure_system_users, launch_argv
from mainstay.engines.launch import blocked_folder
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Unavailable
from tests.support.engines import engine_accounts, reachable_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can launch a process as another user")
LOOK = """
import json, os, pathlib, sys
seen = {}
for path in sys.argv[1:]:
    try:
        seen[path] = pathlib.Path(path).read_text()
    except OSError as problem:
        seen[path] = type(problem).__name__
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"files": seen, "uid": os.getuid(), "groups": os.getgroups(), "caps": status["CapEff"].strip(),
                  "prefix": sys.prefix, "home": sorted(os.listdir("/root")) if os.access("/root", os.R_OK) else None}))
"""


def launched(user: str, files: list[Path], needs: list[Path]) -> dict[str, object]:
    argv = launch_argv([sys.executable, "-c", LOOK, *map(str, files)], user=user, needs=needs)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    seen: dict[str, object] = json.loads(done.stdout)
    return seen


@needs_root
def test_a_launched_process_has_its_user_and_no_capability() -> None:
    accounts = engine_accounts()

    seen = launched("mainstay-db", [], [])

    assert (seen["uid"], seen["groups"], seen["caps"]) == (accounts.uid_of("postgres"), [accounts.gid_of("postgres")], "0" * 16)
    assert seen["prefix"] == sys.prefix


@needs_root
def test_a_needed_folder_in_a_private_home_is_reached_and_what_lies_beside_it_is_not() -> None:
    accounts = engine_accounts()
    with reachable_folder() as folder:
        home = folder / "home"
        (home / "clone" / "data").mkdir(parents=True)
        needed, beside, own = home / "clone" / "data" / "ours", home / "secret", home / "clone" / "beside"
        for file in (needed, beside, own):
            file.write_text("text")
            os.chown(file, accounts.uid_of("postgres"), -1)
        home.chmod(0o700)

        seen = launched("mainstay-db", [needed, beside, own], [needed.parent])

        assert seen["files"] == {str(needed): "text", str(beside): "FileNotFoundError", str(own): "FileNotFoundError"}
        assert home.stat().st_mode & 0o777 == 0o700
        assert beside.read_text() == "text"


@needs_root
def test_an_unknown_user_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        launch_argv([sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"], user="mainstay-nobody-knows"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 70
    assert "mainstay-nobody-knows" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_launched_process_ends_when_its_supervisor_is_already_gone() -> None:
    argv = launch_argv([sys.executable, "-c", "print('ran')"])
    plan = json.loads(argv[-1]) | {"parent": 1 if os.getpid() != 1 else 2}

    done = subprocess.run([*argv[:-1], json.dumps(plan)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (70, "")
    assert "the supervisor is gone" in done.stderr


def test_the_topmost_closed_folder_is_found() -> None:
    with reachable_folder() as folder:
        deep = folder / "a" / "b" / "c"
        deep.mkdir(parents=True)
        (folder / "a").chmod(0o700)

        assert blocked_folder(deep, 54321, [54321]) == folder / "a"
        assert blocked_folder(folder, 54321, [54321]) is None
        assert blocked_folder(deep, os.geteuid(), []) is None


@needs_root
def test_as_root_each_part_of_the_data_folder_has_its_own_owner_and_mode(layout: Layout) -> None:
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)

    def owner(path: Path) -> tuple[str, str]:
        return path.owner(), oct(stat.S_IMODE(path.stat().st_mode))

    assert owner(layout.data) == ("root", "0o711")
    assert owner(layout.postgres) == ("mainstay-db", "0o700")
    assert owner(layout.keys / "server") == ("mainstay-worker", "0o700")
    assert owner(layout.keys / "ledger") == ("mainstay-worker", "0o700")
    assert owner(layout.keys / "reply") == ("mainstay-web", "0o700")
    assert owner(layout.helper) == ("root", "0o700")
    assert (owner(layout.keys / "kek" / "current"), (layout.keys / "kek" / "current").group()) == (
        ("mainstay-web", "0o440"),
        "mainstay-worker",
    )


@needs_root
def test_the_key_of_one_process_is_closed_to_another(layout: Layout) -> None:
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    files = [layout.keys / "server" / "current", layout.keys / "reply" / "current"]
    for file, process in zip(files, ("worker", "web"), strict=True):
        file.write_text(process)
        os.chown(file, accounts.uid_of(process), accounts.gid_of(process))
        file.chmod(0o600)

    assert launched("mainstay-web", files, [layout.data])["files"] == {str(files[0]): "PermissionError", str(files[1]): "web"}
    assert launched("mainstay-agent", files, [layout.data])["files"] == {str(files[0]): "PermissionError", str(files[1]): "PermissionError"}


def test_preparing_again_changes_no_key(layout: Layout) -> None:
    accounts = engine_accounts()
    ground.prepare(layout, accounts)
    before = (layout.keys / "kek" / "current").read_bytes()

    ground.prepare(layout, accounts)

    assert (layout.keys / "kek" / "current").read_bytes() == before
    assert len(before) == 32


def test_a_file_in_the_place_of_a_folder_is_named_with_the_remedy(layout: Layout) -> None:
    layout.data.mkdir()
    (layout.data / "log").write_text("not a folder")

    with pytest.raises(Unavailable, match=rf"{layout.data}/log cannot be made or owned .* MAINSTAY_DATA"):
        ground.prepare(layout, Accounts())
