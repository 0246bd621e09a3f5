"""The simulated agents from the loading on: one small process that speaks for all sixty machines.

Owns: the pace. Does not own: what is said (`agent`, `machines`). Run as `python -m mainstay.cli.demo.live FOLDER URL`.
"""

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

import httpx

from mainstay.cli.demo import machines
from mainstay.cli.demo.agent import Agent, Door
from mainstay.cli.demo.cast import machines as all_machines
from mainstay.kernel.errors import MainstayError

STATE_FILE = "agents.json"
# Below the thirty seconds after which a device is silent, with room for one lost request.
EVERY_S = 12.0
HEARTBEAT_EVERY = 25
CONNECTIONS = 4

log = logging.getLogger("mainstay.demo")


async def speak(folder: Path, url: str) -> None:
    """Speak for every machine until the process ends."""
    kept = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    by_name = {machine.name: machine for machine in all_machines()}
    agents = [Agent.from_json(by_name[one["name"]], one) for one in kept["agents"]]
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        door = Door(client, time.time, url)
        await asyncio.gather(
            *(_live(agent, door, index / len(agents), kept["end"]) for index, agent in enumerate(agents) if not agent.is_quiet)
        )


async def _live(agent: Agent, door: Door, share: float, end: int) -> None:
    # A number that was used before would make the server think of a copied key; the time is above all of them.
    agent.seq = max(agent.seq, int(time.time()))
    await asyncio.sleep(share * EVERY_S)
    spoken = 0
    while True:
        try:
            samples = machines.batch(agent.machine, [int(time.time())], end=end)
            chain = agent.head.seq
            await agent.poll(door, samples=samples, heartbeat=spoken % HEARTBEAT_EVERY == 0)
            spoken += 1
            if agent.head.seq != chain:
                log.info("%s carried out a command", agent.machine.name)
        except (httpx.HTTPError, MainstayError) as problem:
            log.warning("%s: %s", agent.machine.name, problem)
        await asyncio.sleep(EVERY_S)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="{asctime} {levelname} {message}", style="{")
    os.nice(5)
    asyncio.run(speak(Path(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
