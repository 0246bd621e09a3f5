"""The engine's tables are made from numbered files, once, by whoever comes first."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from django.db import connection, transaction

from mainstay.domains.telemetry.models import TelemetrySchema
from mainstay.domains.telemetry.models.engine import Engine
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict

_LOCK = 0x6D61_696E  # "main": the number of the advisory lock, the same in every process


@dataclass(frozen=True)
class DdlFile:
    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        lines = [line for line in self.text.splitlines() if not line.startswith("--")]
        return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def ddl_files() -> list[DdlFile]:
    """Return the numbered files, in order."""
    return sorted(_read(), key=lambda one: one.version)


@transaction.atomic
def apply_schema(engine: Engine, clock: Clock) -> list[int]:
    """Bring the engine to the newest tables; return the versions applied. Errors: Unavailable; Conflict for a changed file.

    The engine's own statements run again where it has lost its folder: they all say IF NOT EXISTS.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    known = {row.version: row for row in TelemetrySchema.objects.all()}
    engine.define("CREATE DATABASE IF NOT EXISTS mainstay")
    applied = []
    for file in ddl_files():
        if file.version in known and known[file.version].sha256 != file.sha256:
            raise Conflict("telemetry.schema_changed", f"{file.name} is not the file that was applied; add a new one instead.")
        for statement in file.statements:
            engine.define(statement)
        if file.version not in known:
            TelemetrySchema.objects.create(version=file.version, name=file.name, sha256=file.sha256, applied_at=clock.now())
            applied.append(file.version)
    return applied


def _read() -> Iterator[DdlFile]:
    for entry in files("mainstay.domains.telemetry.models").joinpath("ddl").iterdir():
        if entry.name.endswith(".sql"):
            yield DdlFile(int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8"))
