"""The table of fact groups.

Owns: the name, the period and the collector of every group, and how one is run.
Does not own: when groups are due (`net.inventory`), the parsers.
Invariant: a collector that fails costs its own group, which then says why.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mainstay_agent.facts import certificates, network, people, schedules, software, storage, system
from mainstay_agent.facts.value import Fields, Reason, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.managers import Managers

HOUR_S = 3600
QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Group:
    """One group; `needs_root` means that the root half gives a fuller answer."""

    period_s: int
    collect: Callable[[Machine], Fields]
    needs_root: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A value, or the reason why there is none."""

    value: Fields | None
    unknown: Reason | None = None


def services(machine: Machine) -> Fields:
    managers = Managers(machine)
    rows: list[Value] = [
        {
            "unit": one.unit,
            "manager": one.manager,
            "description": one.description,
            "state": one.state,
            "detail": one.detail,
            "enabled": one.enabled,
            "pid": one.pid,
        }
        for one in managers.inventory()
    ]
    return {"manager": managers.native_name, "services": rows}


def backups(machine: Machine) -> Fields:
    jobs = schedules.scheduled_jobs(machine)["jobs"]
    return software.backups(machine, [job for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else [])


def screen_lock(machine: Machine) -> Fields:
    raise Unknown("not_supported")


GROUPS: dict[str, Group] = {
    "os": Group(24 * HOUR_S, system.os_release),
    "hw": Group(24 * HOUR_S, system.hardware, needs_root=True),
    "cpu_mem": Group(24 * HOUR_S, system.processor_and_memory),
    "firmware": Group(24 * HOUR_S, system.firmware),
    "tpm_secureboot": Group(24 * HOUR_S, system.trusted_platform),
    "disks": Group(6 * HOUR_S, storage.disks, needs_root=True),
    "fs": Group(QUARTER_S, storage.filesystems),
    "net": Group(QUARTER_S, network.interfaces),
    "routes": Group(QUARTER_S, network.routes),
    "dns_client": Group(QUARTER_S, network.resolver),
    "sockets": Group(QUARTER_S, network.listening_sockets, needs_root=True),
    "services": Group(QUARTER_S, services),
    "timers_cron": Group(QUARTER_S, schedules.scheduled_jobs, needs_root=True),
    "sessions": Group(QUARTER_S, people.sessions),
    "timesync": Group(QUARTER_S, system.time_synchronisation),
    "reboot_state": Group(QUARTER_S, system.reboot_state),
    "packages": Group(6 * HOUR_S, software.packages),
    "updates": Group(6 * HOUR_S, software.updates),
    "kernel": Group(6 * HOUR_S, system.kernel),
    "users_groups": Group(6 * HOUR_S, people.accounts, needs_root=True),
    "sudo": Group(6 * HOUR_S, people.sudo, needs_root=True),
    "firewall": Group(6 * HOUR_S, network.firewall, needs_root=True),
    "disk_encryption": Group(6 * HOUR_S, storage.disk_encryption),
    "protection": Group(6 * HOUR_S, software.protection),
    "screen_lock": Group(6 * HOUR_S, screen_lock),
    "certificates": Group(6 * HOUR_S, certificates.certificates, needs_root=True),
    "containers": Group(6 * HOUR_S, software.containers),
    "cloud_instance": Group(6 * HOUR_S, system.cloud_instance),
    "backups": Group(6 * HOUR_S, backups),
}


def collect(name: str, machine: Machine) -> Fact:
    """Run one collector; every way to fail becomes a reason."""
    try:
        return Fact(GROUPS[name].collect(machine))
    except Unknown as unknown:
        return Fact(None, unknown.reason)
    except ToolTimedOut:
        return Fact(None, "timeout")
    except ToolMissing:
        return Fact(None, "tool_missing")
    except PermissionError:
        return Fact(None, "denied")
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return Fact(None, "parse_failed")
