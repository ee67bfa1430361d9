# SPDX-License-Identifier: GPL-2.0-or-later
"""Links to the program `rpc` in a guest, which runs commands.

A link belongs to one boot of one guest and carries one command at a time:
    ready()                             whether the guest accepts commands
    send(sequence, seconds, command)    sequence numbers start at 1 and increase
    answer(sequence, seconds)           waits up to `seconds`; exit status and output
    close()"""

import select
import socket
import time

from dom0 import Failed, brief, xenstore

MAX_COMMAND = 16 * 1024         # as in guest/port.c


class XenstoreLink:
    """To a guest of Xen, by xenstore, which works without the guest's QEMU. It waits with a
    watch: dom0 has one CPU, and polling would take it from what is being measured."""

    def __init__(self, domid):
        self.base = f"/local/domain/{domid}/data"
        self.handle = xenstore()
        self.handle.watch(f"{self.base}/done", "done")
        self.command = None

    def _read(self, node):
        return self.handle.read("", f"{self.base}/{node}") or b""

    def ready(self):
        return self._read("ready") == b"1"

    def send(self, sequence, seconds, command):
        self.command = command
        self.handle.write("", self.base + "/cmd", f"{sequence} {seconds} {command}")

    def answer(self, sequence, seconds):
        end = time.monotonic() + seconds
        while True:
            done, *words = self._read("done").decode().split() or [None]
            if done == str(sequence):
                status, count = map(int, words)
                pieces = [self._read(f"out/{n}") for n in range(count)]
                return status, b"".join(pieces).decode(errors="replace")
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.handle.fileno()], [], [], left)[0]:
                raise Failed(f"no answer from the guest within {seconds} s: {self.command}")
            while self.handle.check_watch():
                pass

    def close(self):
        self.handle.close()


class PortLink:
    """To a guest without Xen, by the virtio-serial port "lab.rpc". QEMU offers its other
    end as a unix socket, which accepts one connection at a time."""

    def __init__(self, socket_path):
        self.path = socket_path
        self.socket = None
        self.received = b""
        self.command = None

    def ready(self):
        try:
            if self.socket is None:
                self._connect()
            self._receive(0)
        except OSError:             # not there yet, or closed again
            self.close()
            return False
        # Answers before the sign of life are to commands of an earlier link.
        return any(sequence == 0 for sequence, _, _ in iter(self._frame, None))

    def _connect(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.settimeout(10)
            s.connect(self.path)
            # Discard an incomplete line of an earlier link; ask for a sign of life.
            s.sendall(b"\0\n\n")
        except OSError:
            s.close()
            raise
        self.socket, self.received = s, b""

    def _receive(self, seconds):
        """Wait for more data; false if there is none."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return False
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("QEMU closed the connection")
        self.received += data
        return True

    def _frame(self):
        """The next complete answer that was received, or None."""
        head, newline, rest = self.received.partition(b"\n")
        if not newline:
            return None
        try:
            sequence, status, length = map(int, head.split())
        except ValueError:
            raise Failed(f"the guest's port: malformed answer: {brief(repr(head))}") from None
        if len(rest) < length:
            return None
        self.received = rest[length:]
        return sequence, status, rest[:length]

    def send(self, sequence, seconds, command):
        text = command.encode()
        if len(text) > MAX_COMMAND or b"\n" in text or b"\0" in text:
            raise Failed(f"a command must be one line of at most {MAX_COMMAND} bytes: "
                         f"{brief(command)}")
        self.command = command
        try:
            self._connected().sendall(b"%d %d %b\n" % (sequence, seconds, text))
        except OSError as why:
            raise self._broken(why) from None

    def answer(self, sequence, seconds):
        end = time.monotonic() + seconds
        try:
            while True:
                for number, status, output in iter(self._frame, None):
                    if number == sequence:
                        return status, output.decode(errors="replace")
                left = end - time.monotonic()
                if left <= 0 or not self._receive(left):
                    raise Failed(f"no answer from the guest within {seconds} s: {self.command}")
        except OSError as why:
            raise self._broken(why) from None

    def _connected(self):
        if self.socket is None:
            raise ConnectionError("not connected")
        return self.socket

    def _broken(self, why):
        return Failed(f"the guest's port: {why}: {brief(self.command)}")

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None
