# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's screen, by VNC (RFC 6143): QEMU's screendump does not show GL scanouts."""

import socket
import struct

VERSION = b"RFB 003.008\n"
NO_AUTHENTICATION = 1
RAW = 0
# 32 bits per pixel, 24 of them used, little-endian, red at bit 16, blue at bit 0.
PIXEL_FORMAT = struct.pack("<BBBB", 32, 24, 0, 1) + \
    struct.pack(">HHHBBB3x", 255, 255, 255, 16, 8, 0)


class Picture:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(width * 4) for _ in range(height)]

    def put(self, x, y, width, data):
        """Store the pixels of a rectangle whose corner is (x, y)."""
        for n in range(len(data) // (width * 4)):
            self.rows[y + n][x * 4:(x + width) * 4] = \
                data[n * width * 4:(n + 1) * width * 4]

    def rgb(self):
        """The pixels, three bytes per pixel."""
        data = b"".join(self.rows)
        rgb = bytearray(len(data) // 4 * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = data[2::4], data[1::4], data[0::4]
        return bytes(rgb)

    def ppm(self):
        return b"P6\n%d %d\n255\n" % (self.width, self.height) + self.rgb()


def grab(address, seconds=60):
    """The whole screen, from the VNC server at a unix socket or a (host, port)."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
        s.settimeout(seconds)
        s.connect(address)
        stream = s.makefile("rwb")
        picture = greet(stream)
        stream.write(b"\0\0\0\0" + PIXEL_FORMAT + struct.pack(">BxHi", 2, 1, RAW) +
                     struct.pack(">BBHHHH", 3, 0, 0, 0, picture.width, picture.height))
        stream.flush()
        left = picture.width * picture.height
        while left > 0:
            left -= update(stream, picture)
    return picture


def read(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise OSError("the VNC server closed the connection")
    return data


def greet(stream):
    """Do the handshake; return an empty picture of the screen's size."""
    read(stream, len(VERSION))
    stream.write(VERSION)
    stream.flush()
    offered = read(stream, read(stream, 1)[0])
    if NO_AUTHENTICATION not in offered:
        raise OSError(f"the VNC server requires authentication: {offered!r}")
    stream.write(bytes([NO_AUTHENTICATION, 1]))     # 1: shared
    stream.flush()
    if read(stream, 4) != b"\0\0\0\0":
        raise OSError("the VNC server refused us")
    width, height, _format, length = struct.unpack(">HH16sI", read(stream, 24))
    read(stream, length)
    return Picture(width, height)


def update(stream, picture):
    """Handle one message of the server; return the number of pixels in it."""
    if read(stream, 1) != b"\0":
        raise OSError("unexpected message from the VNC server")
    pixels = 0
    for _ in range(struct.unpack(">xH", read(stream, 3))[0]):
        x, y, width, height, _encoding = struct.unpack(">HHHHi", read(stream, 12))
        picture.put(x, y, width, read(stream, width * height * 4))
        pixels += width * height
    return pixels
