"""Figures, each a command that prints one JSON line. Nothing here asserts; `python -m bench` lists and runs them."""
