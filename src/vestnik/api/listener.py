"""The socket that the API listens on, and plain words when it cannot be had."""

import errno
import socket

from vestnik.domain.errors import ConfigurationError


def bind_listener(host: str, port: int) -> socket.socket:
    """A socket that listens at the address; port 0 takes a free one.

    Raises ConfigurationError saying what to do, above all when the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as exc:
        raise ConfigurationError(
            f"the host {host} cannot be resolved; set VESTNIK_HOST or --host to an address of this machine",
            field="VESTNIK_HOST",
        ) from exc
    try:
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as exc:
        raise _explain_bind_error(exc, host, port) from exc
    # asyncio switches Nagle's algorithm off only where the socket names its protocol, which create_server does not
    # (CPython 3.11, base_events._set_nodelay); with it every answer came 40 ms late.
    return socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())


def _explain_bind_error(exc: OSError, host: str, port: int) -> ConfigurationError:
    # 10013 and 10048 are Windows' words for a port that somebody else has.
    if exc.errno in {errno.EADDRINUSE, 10013, 10048}:
        return ConfigurationError(
            f"port {port} on {host} is in use by another program; choose another one with --port or PORT "
            "(0 takes a free one)",
            field="PORT",
        )
    if exc.errno == errno.EACCES:
        return ConfigurationError(
            f"port {port} may not be opened by this user; choose one above 1023 with --port or PORT",
            field="PORT",
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(
            f"{host} is not an address of this machine; set VESTNIK_HOST or --host to one that is",
            field="VESTNIK_HOST",
        )
    return ConfigurationError(f"cannot listen on {host} port {port}: {exc.strerror or exc}", field="PORT")


def format_url(listener: socket.socket) -> str:
    """The address to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - the same
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
