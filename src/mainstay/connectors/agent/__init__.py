"""The endpoint agents: what they send us (intake) and what we ask of them (effects)."""
