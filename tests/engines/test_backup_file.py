"""The sealed file of a backup: whole or nothing."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from mainstay.engines.backup import archive
from mainstay.engines.backup.sealed import CHUNK_BYTES, SealedReader, SealedWriter
from mainstay.kernel.errors import Invalid

PASSPHRASE = "a passphrase of the test"
TEXT = bytes(range(256)) * 1024  # four chunks and a bit of overhead


def sealed(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = SealedWriter(out, PASSPHRASE)
    writer.write(data)
    writer.finish()
    return out.getvalue()


@pytest.fixture(scope="module")
def stream() -> bytes:
    return sealed(TEXT)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_what_was_sealed_comes_back(size: int) -> None:
    data = TEXT[:size]
    assert SealedReader(io.BytesIO(sealed(data)), PASSPHRASE).read() == data


def test_another_passphrase_opens_nothing(stream: bytes) -> None:
    with pytest.raises(Invalid, match="the passphrase is another one"):
        SealedReader(io.BytesIO(stream), PASSPHRASE + "!").read()


def test_every_cut_is_seen(stream: bytes) -> None:
    first = stream.index(b"\n") + 1
    frame = 4 + CHUNK_BYTES + 17
    for cut in (first, first + 2, first + frame, first + 3 * frame, len(stream) - 1):
        with pytest.raises(Invalid, match="cannot be read"):
            SealedReader(io.BytesIO(stream[:cut]), PASSPHRASE).read()


def test_a_changed_byte_a_swapped_frame_and_a_weaker_first_line_are_seen(stream: bytes) -> None:
    first, frame = stream.index(b"\n") + 1, 4 + CHUNK_BYTES + 17
    changed = bytearray(stream)
    changed[first + frame + 100] ^= 1
    swapped = stream[:first] + stream[first + frame : first + 2 * frame] + stream[first : first + frame] + stream[first + 2 * frame :]
    said = json.loads(stream[:first])
    respelt = json.dumps(said).encode() + b"\n\n"[:1] + stream[first:]
    for text in (bytes(changed), swapped, respelt.replace(b'"format": ', b'"format":  ')):
        with pytest.raises(Invalid, match="cannot be read"):
            SealedReader(io.BytesIO(text), PASSPHRASE).read()


@pytest.mark.parametrize("line", [b"", b"PK\x03\x04", b"{}\n", b'{"format": "mainstay-backup.v1"}\n', b"x" * 5000])
def test_a_foreign_file_is_named_as_such(line: bytes) -> None:
    with pytest.raises(Invalid, match=r"is no mainstay-backup\.v1 file"):
        SealedReader(io.BytesIO(line), PASSPHRASE)


def test_a_first_line_cannot_make_this_machine_compute_for_ever(stream: bytes) -> None:
    said = json.loads(stream[: stream.index(b"\n")]) | {"memory": 1 << 50}
    with pytest.raises(Invalid, match="is no"):
        SealedReader(io.BytesIO(json.dumps(said).encode() + b"\n"), PASSPHRASE)


def manifest(parts: dict[str, str]) -> archive.Manifest:
    return archive.Manifest("2026-11-21T10:00:00+00:00", "0.1.0", 18, {"desk_ticket": 3}, {}, [], parts)


def test_a_packed_folder_comes_back_with_names_contents_and_modes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "keys" / "kek").mkdir(parents=True)
    (source / "keys" / "kek" / "current").write_bytes(b"k" * 32)
    (source / "keys" / "kek" / "current").chmod(0o440)
    (source / "database.dump").write_bytes(TEXT)
    target.mkdir()
    out = io.BytesIO()
    archive.pack(source, manifest(archive.digests(source)), out, PASSPHRASE)

    came = archive.unpack(io.BytesIO(out.getvalue()), target, PASSPHRASE)

    assert came.rows == {"desk_ticket": 3}
    assert (target / "database.dump").read_bytes() == TEXT
    assert (target / "keys" / "kek" / "current").stat().st_mode & 0o777 == 0o440


def test_a_part_that_differs_from_the_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "source" / "database.dump").write_bytes(b"one")
    out = io.BytesIO()
    archive.pack(tmp_path / "source", manifest({"database.dump": "0" * 64}), out, PASSPHRASE)
    with pytest.raises(Invalid, match=r"database\.dump is not as the manifest says"):
        archive.unpack(io.BytesIO(out.getvalue()), tmp_path / "target", PASSPHRASE)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(Invalid, match="is no part of a backup"):
        archive.unpack(io.BytesIO(sealed(plain.getvalue())), tmp_path, PASSPHRASE)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_no_part(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        link = tarfile.TarInfo("keys")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(Invalid, match="is no part of a backup"):
        archive.unpack(io.BytesIO(sealed(plain.getvalue())), tmp_path, PASSPHRASE)
