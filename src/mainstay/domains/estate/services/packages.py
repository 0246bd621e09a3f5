"""Packages as rows: what is installed, and the intervals in which something else was."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from mainstay.domains.estate.models import Device, Package, PackageHistory
from mainstay_trust.canonical import JSON

PACKAGES_MAX = 50_000
_Key: TypeAlias = tuple[str, str]
_BATCH = 1000


def replace_packages(device: Device, body: Mapping[str, JSON], now: datetime) -> None:
    """Make the rows equal to a report; versions that went away become closed intervals. Runs in the caller's transaction."""
    manager = str(body.get("manager") or "")[:12]
    wanted = _wanted(body)
    present = {(one.name, one.arch): one for one in Package.objects.filter(tenant=device.tenant, device=device)}
    gone = [one for key, one in present.items() if key not in wanted or _moved(one, wanted[key])]
    PackageHistory.objects.bulk_create(
        [
            PackageHistory(
                tenant=device.tenant,
                device=device,
                name=one.name,
                arch=one.arch,
                version=one.version,
                from_at=one.first_seen_at,
                until_at=now,
            )
            for one in gone
        ],
        batch_size=_BATCH,
    )
    Package.objects.filter(tenant=device.tenant, id__in=[one.id for one in gone]).delete()
    left = set(present) - {(one.name, one.arch) for one in gone}
    new = [_row(device, manager, row, now) for key, row in wanted.items() if key not in left]
    Package.objects.bulk_create(new, batch_size=_BATCH)


def _wanted(body: Mapping[str, JSON]) -> dict[_Key, Mapping[str, JSON]]:
    packages = body.get("packages")
    rows = packages[:PACKAGES_MAX] if isinstance(packages, list) else []
    return {(_text(row, "name"), _text(row, "arch", 20)): row for row in rows if isinstance(row, Mapping)}


def _moved(one: Package, row: Mapping[str, JSON]) -> bool:
    return (one.version, one.held) != (_text(row, "version"), row.get("held") is True)


def _row(device: Device, manager: str, row: Mapping[str, JSON], now: datetime) -> Package:
    return Package(
        tenant=device.tenant,
        device=device,
        manager=manager,
        name=_text(row, "name"),
        version=_text(row, "version"),
        arch=_text(row, "arch", 20),
        source_name=_text(row, "source_name"),
        source_version=_text(row, "source_version"),
        origin=_text(row, "origin"),
        held=row.get("held") is True,
        first_seen_at=now,
    )


def _text(row: Mapping[str, JSON], field: str, length_max: int = 200) -> str:
    value = row.get(field)
    return value[:length_max] if isinstance(value, str) else ""
