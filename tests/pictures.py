"""Small pictures made for the tests, one grey and one in colour, and their way into a file."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

RNG = np.random.default_rng(0)
GREY = cv2.GaussianBlur(RNG.integers(0, 255, (60, 80), dtype=np.uint8), (0, 0), 2)
COLOUR = cv2.GaussianBlur(RNG.integers(0, 255, (60, 80, 3), dtype=np.uint8), (0, 0), 2)


def save(folder, image, name="image.png", **options) -> Path:
    image.save(folder / name, **options)
    return folder / name


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
