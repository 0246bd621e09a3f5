"""`python -m bench` runs every figure; `python -m bench NAME` the command that prints this one."""

import importlib
import subprocess
import sys

MODULES = ("agent_samples", "ledger_tx", "ledger_verify", "list_10k", "configuration", "audit", "journey", "pages", "streams", "fleet")


def main(wanted: str) -> int:
    """Run the commands whose figures are wanted, each as a process of its own, so that none warms up another."""
    chosen = [name for name in MODULES if not wanted or wanted in importlib.import_module(f"bench.{name}").NAMES]
    if not chosen:
        known = [figure for name in MODULES for figure in importlib.import_module(f"bench.{name}").NAMES]
        print(f"no figure is named {wanted}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in chosen:
        done = subprocess.run([sys.executable, "-m", f"bench.{name}"], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            if not wanted or f'"name": "{wanted}"' in line:
                print(line, flush=True)
        if done.returncode:
            failed = 1
            print(f"bench.{name} ended with {done.returncode}: {done.stderr.strip()[-2000:]}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
