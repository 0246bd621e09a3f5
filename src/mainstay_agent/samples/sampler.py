"""One reading of the whole machine.

Owns: which sources make up a sample, and what happens when one fails.
Does not own: when samples are taken (`net.tick`), how they travel (`net.batches`).
Invariant: a source that fails costs its own series only.
"""

import os
from collections.abc import Callable

from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import Mount, parse_mountinfo
from mainstay_agent.samples import cpu, disks, filesystems, load, memory, network, own
from mainstay_agent.samples.readings import Rates, Readings, series


class Sampler:
    """Keeps the previous counters. `helper_pid` names the root half when one runs, so that its cost is shown too."""

    def __init__(self, machine: Machine, helper_pid: Callable[[], int | None] = lambda: None) -> None:
        self._machine = machine
        self._helper_pid = helper_pid
        self._cpu: cpu.CpuTimes | None = None
        self._disk_rates, self._network_rates, self._own_rates = Rates(), Rates(), Rates()
        self._mount_text = ""
        self._mounts: list[Mount] = []

    def sample(self) -> Readings:
        readings: Readings = {}
        for source in (self._cpu_source, self._memory, self._load, self._disks, self._network, self._filesystems, self._own):
            try:
                readings.update(source())
            except (OSError, ValueError, IndexError, KeyError):
                continue  # the series are then absent, which the server shows as unknown
        return readings

    def _cpu_source(self) -> Readings:
        now = cpu.parse_stat(self._machine.read("proc/stat"))
        before, self._cpu = self._cpu, now
        return cpu.usage(before, now)

    def _memory(self) -> Readings:
        return memory.usage(memory.parse_meminfo(self._machine.read("proc/meminfo")))

    def _load(self) -> Readings:
        read = self._machine.read
        readings = load.parse_loadavg(read("proc/loadavg")) | load.parse_uptime(read("proc/uptime"))
        readings |= load.count_processes(self._machine.children("proc"))
        for resource in ("cpu", "memory", "io"):
            text = self._machine.read_or_none(f"proc/pressure/{resource}")
            readings |= load.parse_pressure(resource, text) if text else {}
        return readings

    def _disks(self) -> Readings:
        counters = disks.parse_diskstats(self._machine.read("proc/diskstats"))
        return disks.busy_as_pct(self._disk_rates.per_second(counters, self._machine.clock.boot_ms()))

    def _network(self) -> Readings:
        counters = network.parse_dev(self._machine.read("proc/net/dev"))
        return self._network_rates.per_second(counters, self._machine.clock.boot_ms())

    def _filesystems(self) -> Readings:
        text = self._machine.read("proc/self/mountinfo")
        if text != self._mount_text:
            self._mount_text, self._mounts = text, parse_mountinfo(text)
        return filesystems.usage(self._mounts)

    def _own(self) -> Readings:
        readings: Readings = {series("agent_rss_bytes"): own.parse_rss(self._machine.read(f"proc/{os.getpid()}/status"))}
        counter = own.cpu_counter(self._machine.read(f"proc/{os.getpid()}/stat"))
        readings |= own.as_pct(self._own_rates.per_second(counter, self._machine.clock.boot_ms()))
        helper = self._helper_pid()
        status = self._machine.read_or_none(f"proc/{helper}/status") if helper is not None else None
        if status is not None:
            readings[series("helper_rss_bytes")] = own.parse_rss(status)
        return readings
