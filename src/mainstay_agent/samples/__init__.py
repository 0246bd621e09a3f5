"""Samples: numbers that move. Each module parses one source of the kernel; `sampler` joins them into one reading every ten seconds."""
