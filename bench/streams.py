"""Five hundred open pages on one web process: how long a change takes to reach all of them, and what they weigh.

Each page is a stream of its own, opened with the session of a signed-in person, so that rights are looked at as in life. A change
is a note on an incident; its time begins when the request is sent and ends when the last byte of the notice is there.
"""

import asyncio
import re
import statistics
import sys
import time
from collections.abc import Sequence

import httpx
import psutil
from tests.support.installation import Installation, make_installation, remove_installation, wait_for

from bench.figures import figure

NAMES = ("change_to_browser_p95_s", "live_streams_500_lost", "live_streams_500_rss_mb", "live_streams_500_cpu_pct")
STREAMS, AT_ONCE, CHANGES, GAP_S, PATIENCE_S = 500, 25, 20, 1.0, 30.0


def main() -> int:
    installation = make_installation("mainstay-streams")
    try:
        installation.start()
        incident = wait_for(lambda: next(iter(installation.items("incidents")), None), timeout_s=180, what="an incident", every_s=2)
        cookie = sign_in(installation)
        web = psutil.Process(installation.pid_of("web"))
        lasted, lost, grown, busy = asyncio.run(measure(installation, str(incident["id"]), cookie, web))
        print(figure(NAMES[0], lasted, "s"))
        print(figure(NAMES[1], [lost], "notices"))
        print(figure(NAMES[2], [grown], "MB"))
        print(figure(NAMES[3], [busy], "% of a core"))
    except AssertionError:
        print(installation.process_log("web"), file=sys.stderr)
        raise
    finally:
        remove_installation(installation)
    return 0


def sign_in(installation: Installation) -> str:
    """Use the link that a person would open, and return the session as a cookie header."""
    url = str(installation.json("link")["url"])
    with httpx.Client(follow_redirects=True, timeout=30) as browser:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url).text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "name": "Tara Berg", "login": "tara"}
        browser.post(url, data=form, headers={"Referer": url}).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


async def measure(installation: Installation, incident: str, cookie: str, web: psutil.Process) -> tuple[list[float], float, float, float]:
    """Return p95 per change, notices that never came, growth in MB and use of the processor in per cent."""
    before = web.memory_info().rss
    pages = [Page(f"incident:{incident}") for _ in range(STREAMS)]
    for at in range(0, STREAMS, AT_ONCE):
        await asyncio.gather(*(page.open(installation.port, cookie) for page in pages[at : at + AT_ONCE]))
    token = (installation.data / "secrets" / "cli-token").read_text().strip()
    began, worked = time.monotonic(), sum(web.cpu_times()[:2])
    lasted, lost = [], 0
    for number in range(CHANGES):
        told = [page.told for page in pages]
        started = time.monotonic()
        await asyncio.to_thread(note, installation, incident, token, number)
        took = await asyncio.gather(*(page.next(told[index], started) for index, page in enumerate(pages)))
        lasted.append(_p95([one for one in took if one is not None]))
        lost += sum(one is None for one in took)
        await asyncio.sleep(GAP_S)
    busy = 100 * (sum(web.cpu_times()[:2]) - worked) / (time.monotonic() - began)
    grown = (web.memory_info().rss - before) / 1e6
    await asyncio.gather(*(page.close() for page in pages))
    return lasted, float(lost), grown, busy


def note(installation: Installation, incident: str, token: str, number: int) -> None:
    url = f"{installation.url}/api/v1/desk/incidents/{incident}/notes"
    httpx.post(url, json={"text": f"note {number}"}, headers={"Authorization": f"Bearer {token}"}, timeout=30).raise_for_status()


class Page:
    """One open stream; `told` counts the notices of change that came."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.told = 0
        self.at = 0.0
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, port: int, cookie: str) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        request = (
            f"GET /live?topics={self.topic} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"
        )
        self._writer.write(request.encode())
        status = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        assert b" 200 " in status, status
        await asyncio.wait_for(reader.readuntil(b"event: beat"), PATIENCE_S)
        self._tasks = [asyncio.create_task(self._listen(reader))]

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line.startswith(b"event: changed"):
                async with self._news:
                    self.told, self.at = self.told + 1, time.monotonic()
                    self._news.notify_all()

    async def next(self, told: int, started: float) -> float | None:
        """Return how long after `started` the notice after `told` others came; None when it never did."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(lambda: self.told > told)
        except TimeoutError:
            return None
        return self.at - started

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._writer is not None:
            self._writer.close()


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[18] if len(values) > 1 else PATIENCE_S


if __name__ == "__main__":
    sys.exit(main())
