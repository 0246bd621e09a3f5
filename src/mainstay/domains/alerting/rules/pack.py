"""The rules that are on from the first start: data, not code.

Owns: thresholds, waiting times, words. Does not own: how a reading is made (readings) or judged (machine).
Each level has two values, fire and recover; equal ones would flap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mainstay.kernel.severity import Severity


class Source(StrEnum):
    """Where readings come from: decides when a rule is looked at."""

    SAMPLES = "samples"
    FACTS = "facts"
    UNITS = "units"
    CONTACT = "contact"
    MAINSTAY = "mainstay"  # our own parts, not a device's


class Worse(StrEnum):
    BELOW = "below"
    ABOVE = "above"


class Family(StrEnum):
    """Alerts of one device and one family share a fold; SUBJECT folds by part (one unit, one mount)."""

    SILENCE = "silence"
    SUBJECT = "subject"
    LOAD = "load"
    UPKEEP = "upkeep"


@dataclass(frozen=True)
class Level:
    severity: Severity
    fire: float
    recover: float


@dataclass(frozen=True)
class Rule:
    """`levels`: most severe first. `wait_s` / `recover_s`: how long it must be bad / good. Unit of values: `unit`."""

    id: str
    title: str
    source: Source
    worse: Worse
    levels: tuple[Level, ...]
    wait_s: int
    recover_s: int
    family: Family
    unit: str
    summary: str
    next_action: str
    is_enabled: bool = True


_CRIT, _WARN, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
_YES = 0.5  # readings that are yes or no are 1 or 0

PACK: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "filesystem.filling", "Filesystem is filling", Source.SAMPLES, Worse.BELOW,
            (Level(_CRIT, 3, 5), Level(_WARN, 10, 12)), 60, 60, Family.SUBJECT, "%",
            "{subject} has {value:.1f} % free space.", "Remove or move large files, or enlarge the filesystem.",
        ),
        Rule(
            "filesystem.predicted_full", "Filesystem will be full soon", Source.SAMPLES, Worse.BELOW,
            (Level(_CRIT, 4, 6), Level(_WARN, 24, 36)), 600, 600, Family.SUBJECT, "h",
            "{subject} will be full in about {value:.0f} h if it goes on like this.", "Find what is growing and stop it before it is full.",
        ),
        Rule(
            "memory.pressure", "Memory is short", Source.SAMPLES, Worse.BELOW,
            (Level(_CRIT, 3, 6), Level(_WARN, 8, 12)), 120, 120, Family.LOAD, "%",
            "{value:.1f} % of the memory is available.", "Look at the largest processes; restart what leaks, or add memory.",
        ),
        Rule(
            "load.saturated", "Processors are saturated", Source.SAMPLES, Worse.ABOVE,
            (Level(_CRIT, 8, 4), Level(_WARN, 2, 1.5)), 600, 120, Family.LOAD, "per CPU",
            "{value:.1f} processes per processor want to run.", "Look at the processes that use the processors.",
        ),
        Rule(
            "service.down", "Service is down", Source.UNITS, Worse.ABOVE,
            (Level(_CRIT, _YES, _YES / 2),), 2, 4, Family.SUBJECT, "",
            "{subject} is {text}.", "Restart the service; read its last log lines first.",
        ),
        Rule(
            "unit.failed", "Unit has failed", Source.FACTS, Worse.ABOVE,
            (Level(_WARN, _YES, _YES / 2),), 0, 0, Family.SUBJECT, "",
            "{subject} has failed.", "Read its log, correct the cause, start it again or switch it off.",
        ),
        Rule(
            "disk.errors", "Disk reports errors", Source.FACTS, Worse.ABOVE,
            (Level(_CRIT, 1.5, 1), Level(_WARN, _YES, _YES / 2)), 0, 0, Family.SUBJECT, "",
            "{subject}: {text}.", "Check the backup of this disk now, then plan its replacement.",
        ),
        Rule(
            "certificate.expiring", "Certificate expires", Source.FACTS, Worse.BELOW,
            (Level(_CRIT, 7, 8), Level(_WARN, 30, 31)), 0, 0, Family.SUBJECT, "d",
            "The certificate {text} expires in {value:.0f} days.", "Renew the certificate and reload the service that uses it.",
        ),
        Rule(
            "clock.wrong", "Clock is wrong", Source.SAMPLES, Worse.ABOVE,
            (Level(_CRIT, 300, 120), Level(_WARN, 120, 30)), 60, 60, Family.UPKEEP, "s",
            "The clock differs from the server's by {value:.0f} s.", "Switch time synchronisation on, or correct its servers.",
        ),
        Rule(
            "agent.silent", "Device is silent", Source.CONTACT, Worse.ABOVE,
            (Level(_CRIT, 30, 20),), 15, 0, Family.SILENCE, "s",
            "Nothing was heard from the device for {value:.0f} s. Whether it is down is not known.",
            "Check power and network of the device, then its agent.",
        ),
        Rule(
            "device.quarantined", "Device is quarantined", Source.CONTACT, Worse.ABOVE,
            (Level(_CRIT, _YES, _YES / 2),), 0, 0, Family.SUBJECT, "",
            "The device only observes now: {text}.", "Find out whether its key was copied; then end the quarantine, or revoke it.",
        ),
        Rule(
            "updates.pending", "Security updates wait", Source.FACTS, Worse.ABOVE,
            (Level(_WARN, _YES, _YES / 2),), 0, 0, Family.UPKEEP, "",
            "{value:.0f} security updates are not installed.", "Install them in the next maintenance window.",
        ),
        Rule(
            "reboot.required", "Restart is required", Source.FACTS, Worse.ABOVE,
            (Level(_INFO, _YES, _YES / 2),), 0, 0, Family.UPKEEP, "",
            "The device must restart to finish updates.", "Restart it in the next maintenance window.",
        ),
        Rule(
            "backup.unknown", "No backup is known", Source.FACTS, Worse.ABOVE,
            (Level(_WARN, _YES, _YES / 2),), 0, 0, Family.UPKEEP, "",
            "No backup tool was found on the device.", "Set up a backup, or record how this device is backed up.",
        ),
        Rule(
            "telemetry.unavailable", "Store of signals is away", Source.MAINSTAY, Worse.ABOVE,
            (Level(_CRIT, _YES, _YES / 2),), 20, 10, Family.SUBJECT, "",
            "Mainstay's store of signals does not answer. What devices send waits on disk; rules over samples keep their state.",
            "Run mainstay doctor; read log/telemetry.log. Nothing that was accepted is lost meanwhile.",
        ),
        Rule(
            "spool.filling", "Spool is filling", Source.MAINSTAY, Worse.ABOVE,
            (Level(_CRIT, 95, 90), Level(_WARN, 80, 70)), 0, 10, Family.SUBJECT, "%",
            "The spool of Mainstay's {subject} process is {value:.0f} % full; at 100 % devices are told to send again later.",
            "Bring the store of signals back: mainstay doctor names what is in its way.",
        ),
        Rule(
            "spool.quarantine", "Signals were set aside", Source.MAINSTAY, Worse.ABOVE,
            (Level(_CRIT, _YES, _YES / 2),), 0, 10, Family.SUBJECT, "",
            "{value:.0f} records in the spool of Mainstay's {subject} process could not be stored and were set aside: {text}",
            "Read the reason beside each file in the spool's folder quarantine; keep the file for repair, or move it away.",
        ),
    )
}  # fmt: skip

SILENT = "agent.silent"
METRICS = (
    "filesystem_free_pct",
    "filesystem_read_only",
    "memory_available_pct",
    "load5",
    "cpu_count",
    "clock_offset_ms",
)
TREND_METRICS = ("filesystem_free_bytes",)
