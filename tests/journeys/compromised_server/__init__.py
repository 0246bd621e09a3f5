"""A server in the hands of a thief, against a real device: what it may still do, and the signed refusal of everything else."""
