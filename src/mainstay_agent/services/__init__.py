"""Service managers behind one protocol: systemd, SysV scripts, and services that the signed policy defines by argv."""
