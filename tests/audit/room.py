"""A private copy of this machine's root in which things may be planted: `unshare -m python room.py PROJECT`.

Owns: overlays in memory over the root, packages in them, namespaces for processes and network, the collectors' real run.
Does not own: what is planted (`plants`).
Invariant: nothing outside is changed: all writes go into a memory file system that ends with this process's mount namespace.
Prints one JSON object: {"weak": {"answers": [of each group], "failed": {plant: why}}, "clean": ...}.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("openssh-server", "sudo", "cron", "nftables", "snmpd", "unattended-upgrades", "libpam-pwquality", "inetutils-telnetd")
ROOMS = ("weak", "clean")
PROGRAM = ["-s", "-P", "-S", "-m", "mainstay_agent.actions.facts"]
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


def main(project: str) -> None:
    memory = Path("/mnt")
    call("mount", "-t", "tmpfs", "none", str(memory))
    root = overlay(memory, "base", "/")
    prepare(root)
    running = [start(memory, name, project) for name in ROOMS]
    print(json.dumps({name: json.loads(one.communicate()[0]) for name, one in zip(ROOMS, running, strict=True)}))
    if any(one.returncode for one in running):
        raise SystemExit("a room failed")


def overlay(memory: Path, name: str, lower: str) -> Path:
    for part in ("upper", "work", "root"):
        (memory / name / part).mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={memory}/{name}/upper,workdir={memory}/{name}/work"
    call("mount", "-t", "overlay", "overlay", "-o", options, str(memory / name / "root"))
    return memory / name / "root"


def prepare(root: Path) -> None:
    """Install what is planted in; no service is started."""
    for name in ("proc", "dev"):
        call("mount", "--rbind", f"/{name}", str(root / name))
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    inside = ["chroot", str(root)]
    if subprocess.run([*inside, "apt-get", "update", "-qq"], env=ENVIRONMENT, capture_output=True, check=False).returncode:
        raise SystemExit(77)  # no packages here: the test says so and is skipped
    call(*inside, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
    policy.unlink()
    for name in ("proc", "dev"):
        call("umount", "-R", "-l", str(root / name))


def start(memory: Path, name: str, project: str) -> "subprocess.Popen[str]":
    overlay(memory, name, f"{memory}/base/upper:/")
    argv = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child",
        sys.executable,
        __file__,
        "inside",
        name,
        project,
    ]
    return subprocess.Popen([*argv, str(memory / name / "root")], stdout=subprocess.PIPE, text=True)


def inside(name: str, project: str, root: str) -> None:
    """Live in the room: mounts of its own, the plants, then the collectors as the agent runs them."""
    sys.path.insert(0, project)
    from tests.audit.plants import PLANTS

    furnish(Path(root), project)
    os.chroot(root)
    os.chdir("/")
    failed = {plant.name: problem for plant in PLANTS if (problem := attempt(plant.weak if name == "weak" else plant.clean))}
    request = json.dumps({"params": {"groups": None}, "service": None})
    environment = ENVIRONMENT | {"PYTHONPATH": f"{project}/src", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *PROGRAM], input=request, capture_output=True, text=True, env=environment, check=True)
    print(json.dumps({"answers": [json.loads(line) for line in done.stdout.splitlines()], "failed": failed}))


def attempt(plant: Callable[[], None]) -> str:
    """Plant one thing; return why it could not be done, which fails its test."""
    try:
        plant()
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        return f"{problem} {getattr(problem, 'stderr', '')}"
    return ""


def furnish(root: Path, project: str) -> None:
    call("ip", "link", "set", "lo", "up")
    call("mount", "-t", "proc", "proc", str(root / "proc"))
    call("mount", "-t", "sysfs", "sysfs", str(root / "sys"))
    call("mount", "--rbind", "/dev", str(root / "dev"))
    for folder in ("root", "run", "tmp", "var/tmp"):
        call(
            "mount",
            "-t",
            "tmpfs",
            "-o",
            "nodev,nosuid,mode=755" if folder in ("root", "run") else "nodev,nosuid,mode=1777",
            "none",
            str(root / folder),
        )
    for folder in dict.fromkeys((project, sys.base_prefix, sys.prefix)):
        place = root / folder.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        call("mount", "--rbind", folder, str(place))
    (root / "run/sshd").mkdir(mode=0o755)


def call(*argv: str) -> None:
    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    inside(*sys.argv[2:]) if sys.argv[1] == "inside" else main(sys.argv[1])
