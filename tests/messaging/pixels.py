"""Reads the one kind of PNG that a QR code is: black and white, one bit a pixel."""

import struct
import zlib


def image(png: bytes) -> memoryview:
    """Rows of grey values, 0 or 255, as a two-dimensional buffer."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, width, height = 8, b"", 0, 0
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack_from(">IIBB", body)
            assert (depth, colours) == (1, 0), "one bit of grey"
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    row = (width + 7) // 8
    rows = zlib.decompress(packed)
    grey, above = bytearray(), bytes(row)
    for y in range(height):
        kind_of_filter, *line = rows[y * (row + 1) : (y + 1) * (row + 1)]
        assert kind_of_filter in (0, 2), "none, or the difference to the row above"
        above = bytes((one + up) % 256 if kind_of_filter else one for one, up in zip(line, above, strict=True))
        bits = int.from_bytes(above, "big") >> (row * 8 - width)
        grey += bytes(255 if bit == "1" else 0 for bit in f"{bits:0{width}b}")
    return memoryview(grey).cast("B", (height, width))
