"""The root half: a unix socket in front of the authority. No network, no third-party code but PyNaCl."""
