"""The command line: thin edges over the API, and the commands that act on this machine."""
