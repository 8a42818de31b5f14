"""Alerts to a program on this machine: JSON by POST, in order, again until they are taken.

It runs in a thread of its own and is never waited for. A redirect is not followed: it could lead
off this machine.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import threading
from urllib.parse import urlsplit

from breakwater.errors import UserError

TIMEOUT = 5.0
"""Seconds for an answer."""

LONGEST_WAIT = 30.0
"""Seconds between tries, which begin with one and double."""


def check(url: str) -> str:
    """The URL of a webhook. UserError unless it is http on this machine's loopback."""
    example = "give one like http://127.0.0.1:9000/alerts"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"--webhook {url} is no URL ({error}): {example}") from None
    if parts.scheme != "http" or not host or port == 0:
        raise UserError(f"--webhook {url} is no http URL: {example}")
    if not _is_loopback(host):
        raise UserError(
            f"--webhook goes to this machine alone, and {host} is not its loopback: {example}, and "
            "let a program there pass it on"
        )
    if parts.username is not None or parts.fragment or any(ord(c) <= 32 for c in url):
        raise UserError(f"--webhook {url} has a user name, a fragment or a blank: {example}")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Webhook:
    """Delivers alerts; what became of them is told by `news`."""

    def __init__(self, url: str) -> None:
        """UserError for a URL that `check` refuses."""
        parts = urlsplit(check(url))
        self._host, self._port = str(parts.hostname), parts.port or 80
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._waiting: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[int | str] = queue.SimpleQueue()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="webhook")
        self._thread.start()

    def add(self, number: int, body: str) -> None:
        """An alert, by its id, to be delivered after those before it."""
        self._waiting.put((number, body))

    def news(self) -> tuple[list[int], list[str]]:
        """Since the last time: ids of alerts that were taken, and why tries failed."""
        taken: list[int] = []
        failed: list[str] = []
        while True:
            try:
                one = self._news.get_nowait()
            except queue.Empty:
                return taken, failed
            if isinstance(one, int):
                taken.append(one)
            else:
                failed.append(one)

    def end(self, seconds: float) -> None:
        """Try what waits once more, for so many seconds at most, then deliver nothing more."""
        self._ends.set()
        self._waiting.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (alert := self._waiting.get()) is not None:
            number, body = alert
            wait = 1.0
            while (why := self._post(body)) is not None:
                if self._ends.is_set():
                    self._news.put(why)
                    return
                self._news.put(f"{why}: trying again in {wait:.0f} s")
                self._pause(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            self._news.put(number)

    def _pause(self, seconds: float) -> None:
        self._ends.wait(seconds)

    def _post(self, body: str) -> str | None:
        """Why it was not taken; None: it was."""
        line = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            line.request("POST", self._path, body.encode(), {"Content-Type": "application/json"})
            status = line.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return " ".join(str(error).split()) or type(error).__name__
        finally:
            line.close()
        return None if 200 <= status < 300 else f"it answered {status}"
