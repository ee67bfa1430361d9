# SPDX-License-Identifier: GPL-2.0-or-later
"""A display client of QEMU's: the program dbusview, connected to a guest's QEMU that has
"-display dbus,p2p=yes". It reads the picture from the descriptor that QEMU gives it."""

import json
import select
import socket
import subprocess
import zlib

from dom0 import RUN, Failed, allowed

PATH = f"{RUN}/view.pixels"


class View:
    def __init__(self, guest):
        ours, theirs = socket.socketpair()
        with theirs, ours:
            self._give(guest, theirs)
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen([f"{RUN}/dbusview", str(ours.fileno())],
                                            pass_fds=[ours.fileno()], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._line(60)

    @staticmethod
    def _give(guest, end):
        """QEMU gets the other end of the client's socket. A descriptor's name is known only to
        the connection that it was passed by."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(guest.qmp_socket)
            stream = s.makefile("r", encoding="utf-8")
            stream.readline()
            for command, arguments, fds in (
                    ("qmp_capabilities", {}, []),
                    ("getfd", {"fdname": "view"}, [end.fileno()]),
                    ("add_client", {"protocol": "@dbus-display", "fdname": "view"}, [])):
                message = json.dumps({"execute": command, "arguments": arguments}) + "\n"
                socket.send_fds(s, [message.encode()], fds)
                while True:
                    answer = json.loads(stream.readline() or '{"error": {"desc": "closed"}}')
                    if "error" in answer:
                        raise Failed(f"{command}: {answer['error']['desc']}")
                    if "return" in answer:
                        break

    def _line(self, seconds):
        if not select.select([self.process.stdout], [], [], allowed(seconds))[0]:
            raise Failed("dbusview does not answer")
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        if "error" in answer:
            raise Failed("dbusview: " + answer["error"])
        return answer

    def look(self):
        """What the client has been given, and, if it has mapped a picture, the checksum of
        what is there now, in the way of kmsdraw: without the octet that has no colour."""
        self.process.stdin.write(PATH + "\n")
        self.process.stdin.flush()
        seen = self._line(60)
        if seen["written"]:
            with open(PATH, "rb") as f:
                pixels = bytearray(f.read())
            pixels[3::4] = bytes(len(pixels) // 4)
            seen["crc"] = zlib.crc32(pixels)
        return seen

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
