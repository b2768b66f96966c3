"""Ports for servers of this machine, held from being chosen until something listens on them."""

import socket
import sys


class HeldPort:
    """A free port of 127.0.0.1 that nobody who asks for any port is given until it is let go.

    Whoever asks the kernel for any port, or connects to somewhere, gets another one meanwhile; a server that is told
    this number can listen on it, because Linux lets sockets with SO_REUSEADDR share a port of which one listens at
    most; whoever holds it by its number as well is in for the same. Other systems do not share, so there it is only
    found, and somebody else may be quicker.
    """

    def __init__(self, port: int = 0) -> None:
        """Raises OSError when somebody listens on `port`; 0 means any."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def let_go(self) -> None:
        self._socket.close()

    def __enter__(self) -> "HeldPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
