"""Validation PSNR of many networks of one supernet, which compute together what they have in common."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from srnas_tf.data.sources import Pair
from srnas_tf.nets import Supernet
from srnas_tf.train.evaluate import as_batch, mean_psnr

KEPT = 2 << 30
"""Bytes of features to keep."""
BATCH_PIXELS = 1 << 16
"""Low-resolution pixels that run at once: images of one size share a batch."""


class PathScorer:
    """Mean PSNR, dB, of the networks of a supernet by their codes.

    Networks whose codes begin alike share the features of the blocks that they have in common: those are kept, by the
    codes that lead to them, as long as they fit in memory; the least recently used go first. Asked in sorted order,
    networks find most of theirs.

    Args:
        supernet: with its trained weights; they must not change afterwards.
        pairs: photographs to measure on.
        kept: bytes of features to keep.
    """

    def __init__(self, supernet: Supernet, pairs: Sequence[Pair], kept: int = KEPT) -> None:
        self._supernet, self._kept, self._used = supernet, kept, 0
        self._groups = _of_one_size(pairs)
        self._lr = [tf.concat([as_batch(pair.lr) for pair in group], axis=0) for group in self._groups]
        image = tf.TensorSpec([None, None, None, 3])
        features = tf.TensorSpec([None, None, None, supernet.width])
        ends = [tf.TensorSpec(v.shape) for v in supernet.blocks[0].ends]
        self._head = tf.function(supernet.head, input_signature=[image])
        self._block = tf.function(
            supernet.choose, input_signature=[tf.TensorSpec([], tf.int32), features, tf.TensorSpec([None]), ends]
        )
        self._tail = tf.function(supernet.leave, input_signature=[image, features, [features] * supernet.depth])
        self._first = [self._head(lr) for lr in self._lr]
        self._features: OrderedDict[tuple[int, ...], list[tf.Tensor]] = OrderedDict()

    def __call__(self, codes: Sequence[int]) -> float:
        codes = tuple(int(code) for code in codes)
        outputs: list[list[tf.Tensor]] = []
        for depth in range(1, len(codes) + 1):
            outputs.append(self._after(codes[:depth], outputs[-1] if outputs else self._first))
        sr, pairs = [], []
        for i, group in enumerate(self._groups):
            batch = self._tail(self._lr[i], self._first[i], [features[i] for features in outputs])
            sr += list(batch.numpy())
            pairs += group
        return mean_psnr(sr, pairs, self._supernet.scale)

    def _after(self, prefix: tuple[int, ...], before: list[tf.Tensor]) -> list[tf.Tensor]:
        """The features that blocks of these codes lead to, a batch each."""
        if prefix in self._features:
            self._features.move_to_end(prefix)
            return self._features[prefix]
        block, code = self._supernet.blocks[len(prefix) - 1], prefix[-1]
        segment, ends = block.segment(code), block.shared()
        made = [self._block(tf.constant(code), x, segment, ends) for x in before]
        self._features[prefix] = made
        self._used += _bytes(made)
        while self._used > self._kept:
            _, dropped = self._features.popitem(last=False)
            self._used -= _bytes(dropped)
        return made


def _bytes(tensors: Sequence[tf.Tensor]) -> int:
    return sum(4 * int(np.prod(tensor.shape)) for tensor in tensors)


def _of_one_size(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs by the size of their low-resolution images, no group larger than a batch."""
    sizes: dict[tuple[int, ...], list[Pair]] = {}
    for pair in pairs:
        sizes.setdefault(pair.lr.shape, []).append(pair)
    groups = []
    for shape, group in sizes.items():
        count = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        groups += [group[i : i + count] for i in range(0, len(group), count)]
    return groups
