"""What the service manager hears: ready, alive, stopping (sd_notify(3)), over a datagram socket without a library."""

import os
import socket


class ServiceManager:
    """Speaks to systemd when NOTIFY_SOCKET names it, else to nobody."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Everything runs."""
        self._say("READY=1")

    def alive(self) -> None:
        """The metering task is at work: feeds the watchdog."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
            try:
                out.sendto(text.encode(), address)
            except OSError:
                # A manager that does not listen must not stop the metering; it will restart us if it cares.
                return
