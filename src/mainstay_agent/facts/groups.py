"""The collectors of all fact groups.

Owns: the collector of every group, and how one is run.
Does not own: when groups are due (`facts.catalogue`, `net.inventory`), the parsers.
Invariant: a collector that fails costs its own group, which then says why.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mainstay_agent.facts import certificates, connections, network, people, schedules, software, storage, system
from mainstay_agent.facts.audit import accounts, files, kernel, logs, pressure, privilege, remote, tls
from mainstay_agent.facts.audit import services as audited_services
from mainstay_agent.facts.audit import updates as audited_updates
from mainstay_agent.facts.value import Fields, Reason, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.managers import Managers


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


COLLECTORS: dict[str, Callable[[Machine], Fields]] = {
    "os": system.os_release,
    "hw": system.hardware,
    "cpu_mem": system.processor_and_memory,
    "firmware": system.firmware,
    "tpm_secureboot": system.trusted_platform,
    "disks": storage.disks,
    "fs": storage.filesystems,
    "net": network.interfaces,
    "routes": network.routes,
    "dns_client": network.resolver,
    "sockets": network.listening_sockets,
    "services": services,
    "timers_cron": schedules.scheduled_jobs,
    "sessions": people.sessions,
    "timesync": system.time_synchronisation,
    "reboot_state": system.reboot_state,
    "packages": software.packages,
    "updates": software.updates,
    "kernel": system.kernel,
    "users_groups": people.accounts,
    "sudo": people.sudo,
    "firewall": network.firewall,
    "disk_encryption": storage.disk_encryption,
    "protection": software.protection,
    "screen_lock": screen_lock,
    "certificates": certificates.certificates,
    "containers": software.containers,
    "cloud_instance": system.cloud_instance,
    "backups": backups,
    "connections": connections.connections,
    "audit_accounts": accounts.accounts,
    "audit_passwords": accounts.passwords,
    "audit_keys": accounts.authorised_keys,
    "audit_sudo": privilege.sudo_rules,
    "audit_root_paths": privilege.root_paths,
    "audit_ssh": remote.ssh_server,
    "audit_session": remote.session,
    "audit_sysctl": kernel.settings,
    "audit_confinement": kernel.confinement,
    "audit_boot": kernel.boot,
    "audit_integrity": kernel.integrity,
    "audit_mounts": files.mounts,
    "audit_permissions": files.permissions,
    "audit_updates": audited_updates.updates,
    "audit_unpackaged": audited_updates.unpackaged,
    "audit_logging": logs.logging,
    "audit_tls": tls.listeners,
    "audit_services": audited_services.services,
    "audit_pressure": pressure.pressure,
    "audit_files": files.all_files,
    "audit_verify": audited_updates.verify,
}


def collect(name: str, machine: Machine) -> Fact:
    """Run one collector; every way to fail becomes a reason."""
    try:
        return Fact(COLLECTORS[name](machine))
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
