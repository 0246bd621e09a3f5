"""What is in the file: the dump, the telemetry, the keys and settings, and a manifest that names and hashes each of them.

Owns: packing, unpacking, the manifest. Does not own: the seal (`sealed`), where the parts come from (`database`, `telemetry`).
Invariant: unpacking writes nothing outside its folder, and ends well only when every part is as the manifest says.
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from mainstay.engines.backup.sealed import SealedReader, SealedWriter
from mainstay.kernel.errors import Invalid

MANIFEST = "manifest.json"
_PARTS_MAX = 100_000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. Times are ISO 8601 in UTC, `rows` counts the rows of each table, `parts` are SHA-256 by file name."""

    made_at: str
    release: str
    postgres_major: int
    rows: Mapping[str, int]
    telemetry_rows: Mapping[str, int]
    telemetry_tables: list[dict[str, object]]
    parts: Mapping[str, str]


def pack(folder: Path, manifest: Manifest, out: IO[bytes], passphrase: str) -> None:
    """Write every file of a folder, and the manifest as the last one, into a sealed stream."""
    writer = SealedWriter(out, passphrase)
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), sort_keys=True))
    names = [*sorted(manifest.parts), MANIFEST]
    with tarfile.open(fileobj=writer, mode="w|") as archive:
        for name in names:
            member = archive.gettarinfo(folder / name, arcname=name)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            with (folder / name).open("rb") as file:
                archive.addfile(member, file)
    writer.finish()


def unpack(file: IO[bytes], folder: Path, passphrase: str) -> Manifest:
    """Write the files of a sealed stream into an empty folder.

    Errors: Invalid("engines.backup_unreadable") when the seal breaks; Invalid("engines.backup_incomplete") when a part is missing,
    changed, or of a name that does not belong there.
    """
    reader = SealedReader(file, passphrase)
    try:
        with tarfile.open(fileobj=reader, mode="r|") as archive:
            for number, member in enumerate(archive):
                if number > _PARTS_MAX:
                    raise _incomplete("it has too many parts")
                _extract(archive, member, folder)
    except tarfile.TarError as problem:
        raise _incomplete(str(problem)) from problem
    reader.read()  # to the final frame: a file that was cut behind the archive is cut, too
    return _checked(folder)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by its name relative to it."""
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    stream = archive.extractfile(member) if member.isreg() else None
    if stream is None or name.is_absolute() or ".." in name.parts:
        raise _incomplete(f"{member.name!r} is no part of a backup")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with target.open("xb") as out:
        while block := stream.read(_BLOCK_BYTES):
            out.write(block)
    target.chmod(member.mode & 0o777)


def _checked(folder: Path) -> Manifest:
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as problem:
        raise _incomplete("its manifest is missing or of another release") from problem
    found = digests(folder)
    found.pop(MANIFEST)
    if found != dict(manifest.parts):
        wrong = sorted(name for name in {*found, *manifest.parts} if found.get(name) != manifest.parts.get(name))
        raise _incomplete(f"{wrong[0]} is not as the manifest says")
    return manifest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _incomplete(cause: str) -> Invalid:
    return Invalid("engines.backup_incomplete", f"the backup is not whole: {cause}. Nothing was changed.")
