"""Ports of this machine: free or not, and whose. Answers the question "which process, which setting"."""

import socket

import psutil

from mainstay.kernel.errors import Unavailable


def holder_of(port: int) -> str:
    """Return the name and number of the process that listens on a port, as far as this user may see."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.Error:
                break
    return "another process"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a listener could be opened now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, *, setting: str, config_file: object) -> None:
    """Refuse a port that is taken. Errors: Unavailable("engines.port_in_use") naming process and setting."""
    if not is_free(port):
        raise Unavailable(
            "engines.port_in_use",
            f"port {port} is used by {holder_of(port)}; end it, or choose another port with MAINSTAY_PORT or {setting} in {config_file}",
            port=port,
        )
