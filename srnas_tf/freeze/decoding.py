"""Decodes and encodes image files in TensorFlow operations, for the signature `serving.IMAGE`.

It follows `srnas_tf.kit` as far as TensorFlow's operations allow. No ICC profile is applied or kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf.kit import colours, transparency

_HEAD = 2**18
"""Bytes of a file that are searched for its orientation and gamma."""

_ORIENTATION = 0x0112
_MIRRORED, _UPSIDE_DOWN, _TRANSPOSED = (2, 3, 6, 7), (3, 4, 7, 8), (5, 6, 7, 8)
"""EXIF orientations that reverse columns, that reverse rows, and that first exchange rows and columns."""

_OPAQUE = 255
_BMP_BITS = 28
"""The offset of a BMP file's bits per pixel."""
_COLOUR_TYPE = 25
"""The offset of a PNG file's colour type. Its bit 4 stands for transparency."""


def enlarge_file(network: Callable, file):
    """Enlarges the bytes of a PNG, JPEG, GIF or BMP file. The result is a PNG file, RGB or RGBA in 8 bits, upright.

    JPEG in CMYK is refused, because inks mean nothing without a profile. BMP with a palette is refused, because
    TensorFlow cannot read it.
    """
    rgba = _upright(*_decoded(file))
    alpha = rgba[..., 3:]
    rgb = tf.cond(tf.reduce_min(alpha) < _OPAQUE, lambda: _bled(rgba[..., :3], alpha), lambda: rgba[..., :3])
    sr = _levels(network(rgb[None] / 255)[0] * 255)

    def transparent():
        enlarged = tf.image.resize(alpha, tf.shape(sr)[:2], tf.image.ResizeMethod.BICUBIC)
        return tf.io.encode_png(tf.concat([sr, _levels(enlarged)], -1))

    return tf.cond(tf.reduce_min(alpha) < _OPAQUE, transparent, lambda: tf.io.encode_png(sr))


def _levels(values):
    return tf.cast(tf.round(tf.clip_by_value(values, 0, 255)), tf.uint8)


class _Described(NamedTuple):
    """The description at the beginning of a file.

    Attributes:
        exif: offset of its TIFF structure; -1 if there is none.
        gamma: gamma of a PNG file, times 100000; 0 if it has none, or describes its colours otherwise.
        clear: whether a PNG file names transparent colours.
    """

    exif: tf.Tensor
    gamma: tf.Tensor
    clear: tf.Tensor


class _Bytes:
    """The beginning of a file as int32, followed by zeros.

    Args:
        file: its bytes, a string.
    """

    def __init__(self, file) -> None:
        head = tf.strings.substr(file, 0, _HEAD)
        self.values = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
        self.count = tf.size(self.values)

    def at(self, place):
        inside = (place >= 0) & (place < self.count)
        return tf.where(inside, tf.gather(self.values, tf.where(inside, place, 0)), 0)

    def number(self, place, size: int, little=False):
        """An unsigned number of so many bytes. Numbers beyond int32 become negative."""
        weights = [8 * i for i in range(size)]
        low_first = sum(tf.bitwise.left_shift(self.at(place + i), w) for i, w in enumerate(weights))
        high_first = sum(tf.bitwise.left_shift(self.at(place + i), w) for i, w in enumerate(reversed(weights)))
        return tf.where(little, low_first, high_first)

    def says(self, place, word: bytes):
        return tf.reduce_all(self.at(place + tf.range(len(word))) == tf.constant(list(word)))


def _decoded(file):
    """RGBA, float32 0..255 [height, width, 4], as stored, and the orientation."""
    head = _Bytes(file)
    is_png = head.says(0, b"\x89PNG\r\n\x1a\n")

    def png():
        described = _png_head(head)
        # It would make pixels of a palette without transparency transparent.
        clear = described.clear | (tf.bitwise.bitwise_and(head.at(_COLOUR_TYPE), 4) > 0)
        image = tf.cond(
            clear,
            lambda: tf.io.decode_png(file, channels=4),
            lambda: tf.cast(_opaque(tf.io.decode_png(file, channels=3)), tf.uint8),
        )
        tables = _tables(described.gamma)
        colour = tf.gather(tables, tf.cast(image[..., :3], tf.int32))
        return tf.concat([colour, tf.cast(image[..., 3:], tf.float32)], -1), _orientation(head, described.exif)

    def jpeg():
        inks = tf.debugging.assert_none_equal(
            tf.image.extract_jpeg_shape(file)[2], 4, message="a JPEG in CMYK is not taken; convert it to sRGB"
        )
        with tf.control_dependencies([inks] if inks is not None else []):
            # Its default method is fast, and wrong by several levels.
            image = tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE")
        return _opaque(image), _orientation(head, _jpeg_head(head))

    def other():
        few = head.says(0, b"BM") & (head.number(_BMP_BITS, 2, True) < 24)
        refused = tf.debugging.assert_equal(few, False, message="a BMP with a palette is not taken; make PNG of it")
        with tf.control_dependencies([refused] if refused is not None else []):
            return _opaque(tf.io.decode_image(file, channels=3, expand_animations=False)), tf.constant(1)

    rgba, orientation = tf.cond(is_png, png, lambda: tf.cond(tf.io.is_jpeg(file), jpeg, other))
    return tf.ensure_shape(rgba, [None, None, 4]), orientation


def _opaque(image):
    return tf.pad(tf.cast(image, tf.float32), [[0, 0], [0, 0], [0, 1]], constant_values=_OPAQUE)


def _tables(gamma):
    """The new value of each level, float32 [256]."""
    exponent = tf.cast(gamma, tf.float32) / 1e5
    linear = (np.arange(256, dtype=np.float32) / 255) ** (1 / tf.maximum(exponent, 0.05))
    srgb = tf.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    told = (exponent > 0.05) & (exponent < 20) & (abs(exponent - colours.SRGB_GAMMA) >= colours.CLOSE)
    return tf.where(told, tf.round(srgb * 255), tf.range(256, dtype=tf.float32))


def _png_head(head: _Bytes) -> _Described:
    """The description of a PNG file before its pixels."""

    def more(place, exif, gamma, managed, clear):
        here = (place >= 8) & (place < head.count)
        return here & ~head.says(place + 4, b"IDAT") & ~head.says(place + 4, b"IEND")

    def step(place, exif, gamma, managed, clear):
        size = head.number(place, 4)
        exif = tf.where(head.says(place + 4, b"eXIf"), place + 8, exif)
        gamma = tf.where(head.says(place + 4, b"gAMA"), head.number(place + 8, 4), gamma)
        for kind in (b"sRGB", b"iCCP", b"cICP"):
            managed |= head.says(place + 4, kind)
        clear |= head.says(place + 4, b"tRNS")
        return tf.where((size < 0) | (size > _HEAD), -1, place + 12 + size), exif, gamma, managed, clear

    _, exif, gamma, managed, clear = tf.while_loop(more, step, (8, -1, 0, False, False))
    return _Described(exif, tf.where(managed, 0, gamma), clear)


def _jpeg_head(head: _Bytes):
    """The offset of a JPEG file's EXIF data; -1 if there are none."""

    def more(place, exif):
        return (exif < 0) & (place < head.count) & (head.at(place) == 0xFF) & (head.at(place + 1) != 0xDA)

    def step(place, exif):
        found = (head.at(place + 1) == 0xE1) & head.says(place + 4, b"Exif")
        return place + 2 + tf.maximum(2, head.number(place + 2, 2)), tf.where(found, place + 10, exif)

    return tf.while_loop(more, step, (2, -1))[1]


def _orientation(head: _Bytes, exif):
    """The EXIF orientation, 1 to 8; 1 by default."""
    little = head.at(exif) == ord("I")
    directory = exif + head.number(exif + 4, 4, little)
    entries = directory + 2 + 12 * tf.range(head.number(directory, 2, little))
    tags = head.number(entries, 2, little)
    said = tf.boolean_mask(head.number(entries + 8, 2, little), tags == _ORIENTATION)
    said = tf.concat([said, [1]], 0)[0]
    return tf.where((exif >= 0) & (said >= 1) & (said <= 8), said, 1)


def _upright(image, orientation):
    def among(kinds: tuple[int, ...]):
        return tf.reduce_any(orientation == tf.constant(kinds))

    image = tf.cond(among(_TRANSPOSED), lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(among(_MIRRORED), lambda: image[:, ::-1], lambda: image)
    return tf.ensure_shape(tf.cond(among(_UPSIDE_DOWN), lambda: image[::-1], lambda: image), [None, None, 4])


def _bled(rgb, alpha):
    """Does the same as `transparency.bled`."""
    seen = tf.cast(alpha > 0, tf.float32)
    mean = tf.round(tf.reduce_sum(rgb * seen, [0, 1]) / tf.maximum(tf.reduce_sum(seen), 1))

    def step(colour, known):
        around = tf.nn.avg_pool2d(tf.concat([colour * known, known], -1)[None], 3, 1, "SAME")[0]
        reached = around[..., 3:] > 1e-6
        filled = tf.round(around[..., :3] / tf.maximum(around[..., 3:], 1e-6))
        return tf.where((known == 0) & reached, filled, colour), tf.where(reached, 1.0, known)

    colour, known = tf.while_loop(
        lambda colour, known: True, step, (rgb, seen), maximum_iterations=transparency.REACH,
        shape_invariants=(tf.TensorShape([None, None, 3]), tf.TensorShape([None, None, 1])),
    )  # fmt: skip
    return tf.where(known > 0, colour, tf.where(tf.reduce_sum(seen) > 0, mean, rgb))
