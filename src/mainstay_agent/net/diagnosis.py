"""Answers for the person at the machine: what works, what does not, since when.

Owns: the checks of the way to the server, one by one; the summary of state.
Invariant: looking changes nothing: a check sends no poll and uses no number.
"""

import json
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from mainstay_agent.authority.asking import Asks
from mainstay_agent.host.clocks import SystemClock
from mainstay_agent.net.exchange import HttpExchange
from mainstay_agent.net.identity import Home, Receipt
from mainstay_agent.net.link import Link
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_trust import dsse
from mainstay_trust import results as trust_results
from mainstay_trust.canonical import JSON

CLOCK_OFFSET_MS_MAX = 120_000
RESULTS_MAX = 2000
_STEPS = ("dns", "tcp", "tls", "pin", "clock", "signature")
_FAILS_AT = {"dns": "dns", "tcp": "tcp", "timeout": "tcp", "http": "tcp", "tls": "tls", "pin_mismatch": "pin", "clock_skew": "clock"}


def status(home: Home, receipt: Receipt, asks: Asks) -> dict[str, JSON]:
    """Return what is stored and what the running agent last left."""
    try:
        running: Mapping[str, JSON] = json.loads(home.status.read_text())
    except (OSError, ValueError):
        running = {}
    try:
        authority: Mapping[str, JSON] = asks.ask("query", {})
    except ConnectionError as problem:
        authority = {"problem": str(problem)}
    alarms: list[JSON] = [path.name for path in sorted(home.alarms.glob("*.json"))] if home.alarms.is_dir() else []
    return {
        "url": receipt.url,
        "device": receipt.device,
        "tenant": receipt.tenant,
        "agent": running,
        "authority": authority,
        "alarms": alarms,
    }


def results(asks: Asks) -> list[JSON]:
    """Return the links of the chain as they were signed, oldest first."""
    found: list[JSON] = []
    after = 0
    while len(found) < RESULTS_MAX:
        page = asks.ask("log", {"all": True, "after": after}).get("results")
        if not isinstance(page, list) or not page:
            break
        for one in page:
            if isinstance(one, dict):
                after = int(str(one["seq"])) + 1
                found.append(_summary(one))
    return found


def checks(home: Home, receipt: Receipt) -> list[dict[str, JSON]]:
    """Walk the way to the server: each step says yes or no, and the first no says why."""
    failed, why = _first_failure(home, receipt)
    reached = _STEPS.index(failed) if failed else len(_STEPS)
    return [
        {"check": step, "ok": index < reached, "detail": why if index == reached else None if index < reached else "not reached"}
        for index, step in enumerate(_STEPS)
    ]


def _first_failure(home: Home, receipt: Receipt) -> tuple[str | None, str | None]:
    host = urlsplit(receipt.url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as problem:
        return "dns", str(problem)
    link = Link(HttpExchange(receipt.url, lambda: {receipt.spki}), home.key("transport"), SystemClock(), lambda: receipt.keys("reply"))
    try:
        link.call("GET", "/agent/v1/docs")
    except Unreachable as problem:
        return _FAILS_AT.get(problem.code, "signature"), str(problem)
    except ServerRefused as problem:
        return _FAILS_AT.get(problem.code, "signature"), str(problem)
    offset = link.clock_offset_ms or 0
    return ("clock", f"this machine's clock is {-offset} ms off") if abs(offset) > CLOCK_OFFSET_MS_MAX else (None, None)


def _summary(one: Mapping[str, JSON]) -> JSON:
    result = trust_results.parse_result(dsse.from_json(one["envelope"]).payload)
    return {
        "seq": result.seq,
        "t": result.t,
        "decision": result.decision,
        "reason": result.reason,
        "id": result.id,
        "cmd": result.cmd,
        "exit": result.exit,
    }
