"""The net process at work: four threads around one device.

Owns: threads, waiting, back-off, the status file, the end of the process.
Does not own: what a step does (`net.agent`).
Invariant: no failure of the server, the wire or the root half ends observation; only a stop signal or an ordered restart does.
"""

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable

from mainstay_agent import VERSION
from mainstay_agent.authority.asking import Asks
from mainstay_agent.authority.launch import ProcessLauncher
from mainstay_agent.helper.client import socket_path
from mainstay_agent.host.machine import Machine
from mainstay_agent.net import identity
from mainstay_agent.net.agent import Device, Parts
from mainstay_agent.net.backoff import Backoff
from mainstay_agent.net.exchange import HttpExchange
from mainstay_agent.net.identity import Home, Receipt
from mainstay_agent.net.inventory import InChild, Inventory, ThroughHelper
from mainstay_agent.net.logs import source_for
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_agent.net.settings import load
from mainstay_agent.net.spool import Spool
from mainstay_trust.errors import Rejected

NOT_ENROLLED = 4
TICK_S = 2.0
SEND_EVERY_S = 5.0
WHILE_RUNNING_S = 0.5
FACTS_EVERY_S = 5.0
POLL_EVERY_S_MIN = 0.5
REVOKED_S = 86_400.0
# What a step may meet in ordinary life. Anything else is a defect and ends the process, so that the supervisor shows it.
_EXPECTED = (Unreachable, ServerRefused, Rejected, ConnectionError, OSError, sqlite3.OperationalError)


def run_process(open_asks: Callable[[Home], Asks], *, has_helper: bool) -> int:
    """Be the net process of this machine until told to stop; return its exit code. A defect is raised."""
    home = Home.from_environment()
    receipt = identity.load(home)
    if receipt is None:
        return NOT_ENROLLED  # `mainstay-agent run` waits for that
    one = Runner(open_device(home, receipt, open_asks(home), has_helper=has_helper))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: one.stop())
    code = one.run()
    if one.failure is not None:
        raise one.failure
    return code


def open_device(home: Home, receipt: Receipt, authority: Asks, *, has_helper: bool) -> Device:
    """Put the parts of this machine's device together."""
    machine, settings = Machine(), load(home.folder)
    spool = Spool(home.spool, machine.clock)
    here = InChild(ProcessLauncher(has_systemd=False))
    collects = ThroughHelper(authority, here) if has_helper else here
    parts = Parts(
        machine=machine,
        home=home,
        receipt=receipt,
        exchange=HttpExchange(receipt.url, lambda: _pins(device, receipt)),
        side_exchange=HttpExchange(receipt.url, lambda: _pins(device, receipt)),
        authority=authority,
        spool=spool,
        inventory=Inventory(spool, collects, machine.clock, _draw),
        logs=source_for(machine) if settings.has_logs else None,
        draw=_draw,
        has_helper=has_helper,
        helper_pid=_helper_pid,
        watch=settings.watch,
    )
    device = Device(parts)
    return device


class Runner:
    def __init__(self, device: Device) -> None:
        self._device = device
        self._stop = threading.Event()
        self._urgent = threading.Event()
        self.failure: BaseException | None = None

    def stop(self) -> None:
        self._stop.set()
        self._urgent.set()
        for exchange in (self._device.parts.exchange, self._device.parts.side_exchange):
            exchange.close()

    def run(self) -> int:
        """Run until stopped; return 0 for a wished end, 1 after a defect."""
        loops: tuple[Callable[[], None], ...] = (self._observe, self._send, self._look_at_facts, self._poll)
        threads = [threading.Thread(target=self._guard, args=(loop,), name=loop.__name__.strip("_"), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        self._stop.wait()
        return 1 if self.failure is not None else 0

    def _guard(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as problem:  # process boundary: one loop must not die alone and leave a half-working agent
            self.failure = problem
            self._stop.set()

    def _observe(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                if self._device.tick():
                    self._urgent.set()
            except _EXPECTED as problem:
                self._device.last_problem = str(problem)

    def _look_at_facts(self) -> None:
        wait_s = 0.0  # the first look is at once: the first audit waits for it
        while not self._stop.wait(wait_s):
            wait_s = FACTS_EVERY_S
            try:
                if self._device.look_at_facts():
                    self._urgent.set()
            except _EXPECTED as problem:
                self._device.last_problem = str(problem)

    def _poll(self) -> None:
        while not self._stop.is_set():
            began_ms = self._device.clock.boot_ms()
            wait_s = self._attempt(self._device.poll, self._device.backoff)
            # A server that answers every poll at once must not make us spin.
            wait_s = max(wait_s, POLL_EVERY_S_MIN - (self._device.clock.boot_ms() - began_ms) / 1000)
            self._write_status()
            self._urgent.set()
            if self._device.orders.wants_restart and not self._device.orders.expects_results:
                self._stop.set()
            self._stop.wait(REVOKED_S if self._device.is_revoked else max(0.0, wait_s))

    def _send(self) -> None:
        while not self._stop.is_set():
            self._urgent.wait(WHILE_RUNNING_S if self._device.orders.is_action_running else SEND_EVERY_S)
            self._urgent.clear()
            self._stop.wait(self._attempt(self._send_all, self._device.side_backoff))

    def _send_all(self) -> None:
        while not self._stop.is_set() and self._device.send():
            continue

    def _attempt(self, step: Callable[[], object], backoff: Backoff) -> float:
        """Do one step; return the seconds to wait after a failure, 0 after success."""
        try:
            step()
        except (Unreachable, ServerRefused) as problem:
            self._device.last_problem = str(problem)
            return backoff.failed(problem.retry_after_s)
        except _EXPECTED as problem:
            self._device.last_problem = str(problem)
            return backoff.failed()
        backoff.succeeded()
        return 0.0

    def _write_status(self) -> None:
        """Leave a note for `mainstay-agent status`; it is no evidence, so it is not fsynced."""
        device = self._device
        status = {
            "version": VERSION,
            "device": device.parts.receipt.device,
            "url": device.contacts.primary,
            "helper": device.parts.has_helper,
            "last_success_ms": device.last_success_ms,
            "last_problem": device.last_problem,
            "failures": device.backoff.failures,
            "clock_offset_ms": device.link.clock_offset_ms,
            "spool_bytes": device.parts.spool.size_bytes(),
            "dropped": device.parts.spool.dropped,
            "watched": device.watch.states(),
            "ledger": device.witness.outcome,
        }
        path = device.parts.home.status
        try:
            path.with_suffix(".new").write_text(json.dumps(status))
            path.with_suffix(".new").replace(path)
        except OSError:
            return  # a full disk must not end the loop that reports it


def _draw(low: float, high: float) -> float:
    return low + (high - low) * int.from_bytes(os.urandom(6)) / 2**48


def _pins(device: Device, receipt: Receipt) -> set[str]:
    """Return the admissible server keys: those of the policy and the one that enrolment proved."""
    listed = device.status.get("pins")
    return {receipt.spki} | ({str(pin) for pin in listed} if isinstance(listed, list | tuple) else set())


def _helper_pid() -> int | None:
    """Return the root half's process id, which it leaves beside its socket."""
    try:
        return int(socket_path().with_suffix(".pid").read_text())
    except (OSError, ValueError):
        return None
