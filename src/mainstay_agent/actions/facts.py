"""facts.collect: print the fact groups that were asked for, one JSON object per line, each as soon as it is known.

Also the way in which the agent itself takes its inventory: what a parser needs of memory ends with this process.
"""

import sys

from mainstay_agent.actions.program import Request, run, show
from mainstay_agent.facts.groups import COLLECTORS, collect
from mainstay_agent.host.machine import Machine


def collect_facts(request: Request) -> None:
    wanted = request.params.get("groups")
    names = [name for name in COLLECTORS if not isinstance(wanted, list) or name in wanted]
    machine = Machine()
    for name in names:
        fact = collect(name, machine)
        answer: dict[str, object] = {"group": name, "collected_at": machine.clock.wall_ms() // 1000}
        answer |= {"unknown": fact.unknown} if fact.unknown else {"value": fact.value}
        show(answer)


if __name__ == "__main__":
    sys.exit(run(collect_facts))
