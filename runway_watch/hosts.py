"""Which hosts are this machine: a simulator answers there, and plain http may go there."""

import ipaddress


def is_this_machine(host: str | None) -> bool:
    """Whether a host is this machine, told by its name alone: localhost, 127.0.0.0/8 or ::1."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
