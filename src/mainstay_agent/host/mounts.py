"""The mount table, parsed.

Owns: which mounts hold files of their own, and which only look like filesystems.
Does not own: how full they are (`samples.filesystems`).
Invariant: a network filesystem is never asked for its size: a dead server would hang the agent.
"""

from dataclasses import dataclass

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs", "sshfs", "fuse.sshfs", "lustre"})
_LOCAL = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "vfat",
        "exfat",
        "ntfs",
        "ntfs3",
        "f2fs",
        "jfs",
        "reiserfs",
        "bcachefs",
        "overlay",
        "erofs",
        "ubifs",
    }
)
_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


@dataclass(frozen=True, slots=True)
class Mount:
    mount: str
    device: str
    kind: str
    options: tuple[str, ...]
    device_number: str

    @property
    def is_network(self) -> bool:
        return self.kind in _NETWORK

    @property
    def is_local(self) -> bool:
        return self.kind in _LOCAL

    @property
    def is_read_only(self) -> bool:
        return "ro" in self.options


def parse_mountinfo(text: str) -> list[Mount]:
    """Parse /proc/self/mountinfo; keep local and network filesystems, each device once (its shortest mount point)."""
    mounts: dict[tuple[str, str], Mount] = {}
    for line in text.splitlines():
        mount = _parse_line(line)
        if mount is None or not (mount.is_local or mount.is_network):
            continue
        key = (mount.device_number, mount.device)
        if key not in mounts or len(mount.mount) < len(mounts[key].mount):
            mounts[key] = mount
    return sorted(mounts.values(), key=lambda mount: mount.mount)


def _parse_line(line: str) -> Mount | None:
    left, separator, right = line.partition(" - ")
    before, after = left.split(" "), right.split(" ")
    if not separator or len(before) < 6 or len(after) < 2:
        return None
    options = before[5].split(",")
    if len(after) > 2 and "ro" in after[2].split(",") and "ro" not in options:
        options.append("ro")
    return Mount(_unescape(before[4]), _unescape(after[1]), after[0], tuple(options), before[2])


def _unescape(text: str) -> str:
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return text
