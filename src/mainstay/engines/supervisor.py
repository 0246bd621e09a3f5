"""`mainstay up`: start everything in order, keep it running, stop it in order.

Owns: order, readiness, restarts with back-off, the lines a person sees, `run/status.json`.
Does not own: what a process is (engines.processes). Invariant: whatever happens to this process, none of its children outlives it.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType

from mainstay.engines import ports
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.layout import Layout
from mainstay.engines.plan import Plan, Stage
from mainstay.engines.processes import Process
from mainstay.engines.status import State, Watched, take_lock, write_status
from mainstay.kernel.errors import MainstayError

# A process that dies at once is tried again after these waits; one that stayed up for a minute begins anew.
BACK_OFF_S = (0.2, 1, 2, 5, 10, 30)
_STABLE_S = 60
_SETTLE_S = 0.5
_TICK_S = 1.0

Say = Callable[[str], None]


@dataclass
class Watch:
    """One process under supervision."""

    process: Process
    child: Child | None = None
    state: State = "starting"
    restarts: int = 0
    failures: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = 0
    again_at: float = 0

    def enter(self, state: State) -> None:
        self.state, self.since = state, datetime.now(UTC)

    def seen(self) -> Watched:
        return Watched(self.process.name, self.child.pid if self.child else None, self.state, self.restarts, self.since)


class Supervisor:
    """The processes of one installation, from `up` to its end."""

    def __init__(self, layout: Layout, say: Say) -> None:
        self.layout = layout
        self._say = say
        self._watches: list[Watch] = []
        self._ready = False
        self._ending = False
        self._lock: int | None = None

    def run(self, plan: Callable[[], Plan]) -> int:
        """Start, supervise until a signal, stop. Returns the exit code; 0 also when the installation already runs.

        Errors: what a step of the start refused, after everything that was started has been stopped.
        """
        self._lock = take_lock(self.layout)
        if self._lock is None:
            self._say(f"Mainstay is already running at {self.layout.url} (mainstay status, mainstay link, mainstay down).")
            return 0
        wake = self._listen()
        try:
            self._start(plan())
            while not self._ending:
                self._look_after()
                wait(wake, self._next_wait())
        except Interrupted:
            pass
        finally:
            self._stop()
        return 0

    # --- start ---------------------------------------------------------------------------------------------------------

    def _start(self, plan: Plan) -> None:
        began = time.monotonic()
        ports.require_free(self.layout.port, setting="web.port", config_file=self.layout.config_file)
        if self.layout.has_lan:
            ports.require_free(self.layout.lan_port, setting="web.lan_port", config_file=self.layout.config_file)
        for stage in plan.stages:
            mark = time.monotonic()
            text = self._pass(stage)
            self._say(f"  [ok] {stage.name:<11} {text:<50} {time.monotonic() - mark:5.1f} s")
        invitation = self._invite(plan)
        self._ready = True
        self._publish()
        self._say(f"{invitation}      ready in {time.monotonic() - began:.1f} s")

    def _invite(self, plan: Plan) -> str:
        """Return the line with the address. Everything runs by now: no link is no reason to stop it."""
        try:
            return plan.invitation()
        except MainstayError as problem:
            return f"  [!!] {problem.message}\n  Open {self.layout.url} (mainstay link prints a link that signs you in)"

    def _pass(self, stage: Stage) -> str:
        stage.first()
        for process in stage.processes:
            self._bring_up(process)
        return stage.then()

    def _bring_up(self, process: Process) -> None:
        watch = Watch(process)
        self._watches.append(watch)
        self._publish()
        child = self._spawn(watch)
        settled = time.monotonic() + _SETTLE_S
        wait_ready(child, process.is_ready or (lambda: child.exit_code() is None and time.monotonic() > settled), timeout_s=process.ready_s)
        watch.enter("running")
        self._publish()

    def _spawn(self, watch: Watch) -> Child:
        process = watch.process
        if process.before is not None:
            process.before()
        child = Child(process.name, process.argv, log=self.layout.log_file(process.name), environment=process.environment)
        watch.child, watch.started = child, time.monotonic()
        return child

    # --- supervision -----------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        changed = [self._look_at(watch) for watch in self._watches]
        if any(changed):
            self._publish()

    def _look_at(self, watch: Watch) -> bool:
        now = time.monotonic()
        if watch.state == "waiting":
            return watch.again_at <= now and self._restart(watch)
        code = watch.child.exit_code() if watch.child else None
        if code is not None:
            self._lost(watch, code, now)
            return True
        if watch.state == "starting" and (watch.process.is_ready is None or watch.process.is_ready()):
            watch.enter("running")
            self._say(f"  [ok] {watch.process.name} runs again")
            return True
        return False

    def _lost(self, watch: Watch, code: int, now: float) -> None:
        if now - watch.started > _STABLE_S:
            watch.failures = 0
        delay = BACK_OFF_S[min(watch.failures, len(BACK_OFF_S) - 1)]
        watch.failures += 1
        words = watch.child.last_words() if watch.child else ""
        if watch.child is not None:
            watch.child.clear_group()
        watch.child, watch.again_at = None, now + delay
        watch.enter("waiting")
        self._say(f"  [!!] {watch.process.name} {_how(code)}; started again in {delay:g} s{': ' + words if words and code > 0 else ''}")

    def _restart(self, watch: Watch) -> bool:
        watch.restarts += 1
        try:
            self._spawn(watch)
        except (MainstayError, OSError) as problem:
            watch.failures += 1
            watch.again_at = time.monotonic() + BACK_OFF_S[min(watch.failures, len(BACK_OFF_S) - 1)]
            self._say(f"  [!!] {watch.process.name} cannot be started: {problem}")
        else:
            watch.enter("starting")
        return True

    def _next_wait(self) -> float:
        if any(watch.state == "starting" for watch in self._watches):
            return 0.1
        waits = [watch.again_at - time.monotonic() for watch in self._watches if watch.state == "waiting"]
        return max(0.02, min([_TICK_S, *waits]))

    # --- end -------------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self._ending, self._ready = True, False
        for watch in reversed(self._watches):
            if watch.child is not None:
                watch.child.stop(number=watch.process.stop_signal, timeout_s=watch.process.stop_s)
                watch.child = None
            watch.enter("stopped")
            with suppress(OSError):  # a full disk must not keep the rest running
                self._publish()
        if self._watches:
            self._say("  Stopped.")

    def _listen(self) -> int:
        """Turn signals into something that `select` sees: the loop sleeps until a child or a person calls."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_end)
        return reading

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        # A start can take a minute and holds no state that an exception would tear; a stop must not be interrupted.
        already, self._ending = self._ending, True
        if not self._ready and not already:
            raise Interrupted

    def _publish(self) -> None:
        ready = self._ready and all(watch.state == "running" for watch in self._watches)
        write_status(self.layout, ready=ready, processes=[watch.seen() for watch in self._watches])


class Interrupted(Exception):
    """A person or the system asked us to end while we were starting."""


def wait(descriptor: int, timeout_s: float) -> None:
    """Sleep until a signal arrives or the time is over."""
    select.select([descriptor], [], [], timeout_s)
    with suppress(BlockingIOError):
        os.read(descriptor, 4096)


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
