"""The machine as the agent sees it: clocks, files, subprocesses. Each is a port, so that a test or a simulator can supply its own."""
