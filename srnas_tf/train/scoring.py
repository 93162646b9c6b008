"""Scores networks of a supernet: their validation PSNR, with shared features computed once."""

import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data.sources import DataSettings, Pair, load_for
from srnas_tf.executors import Loaded
from srnas_tf.metrics.quality import BLACK, BT601, PEAK, luma
from srnas_tf.nets import Supernet
from srnas_tf.nets.files import load_supernet
from srnas_tf.nets.sharing import ROW
from srnas_tf.train.evaluate import as_batch, lanes
from srnas_tf.train.pieces import TRACING

Prefix = tuple[int, ...]
"""A trunk and the paths of its first blocks."""

IMAGE, ROWS = tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, ROW])
WANTED = tf.TensorSpec([None, None, None])
"""Luma [batch, height, width], 16..235, without the border."""

BATCH_PIXELS = 1 << 16
"""Low-resolution pixels in a batch. Images of one size share batches."""


class PathScorer:
    """The mean PSNR (dB) of a supernet's networks, by their codes; within 1e-4 dB of `evaluate.validation_psnr`.

    Networks whose codes begin alike share features. The features behind each block are kept, as long as there is room.
    The deepest are dropped first, because the fewest networks share them; of one depth, the least recently used. The
    newest of each depth always stay. Networks in sorted order therefore find most of their features.

    Args:
        supernet: trained. Its weights must not change afterwards.
        pairs: the validation images.
        memory: bytes for features. Those of one network are always kept.
    """

    def __init__(self, supernet: Supernet, pairs: Sequence[Pair], memory: int) -> None:
        self._supernet, self._memory, self._used = supernet, memory, 0
        groups = _of_one_size(pairs)
        self._lr = [tf.concat([as_batch(pair.lr) for pair in group], axis=0) for group in groups]
        crop = np.s_[supernet.scale : -supernet.scale, supernet.scale : -supernet.scale]
        self._wanted = [tf.constant([luma(pair.hr)[crop] for pair in group], tf.float32) for group in groups]
        self._traced: dict[Callable, Callable] = {}
        self._first: dict[int, list[tf.Tensor]] = {}
        """For each trunk, the features before its first block."""
        self._features: list[OrderedDict[Prefix, list[tf.Tensor]]] = [OrderedDict() for _ in supernet.slots[1:]]
        """By depth minus one, then by prefix. Features of the last block are not kept: no other network shares them."""

    def __call__(self, codes: Sequence[int]) -> float:
        return float(np.mean(self.psnrs(codes)))

    def psnrs(self, codes: Sequence[int]) -> np.ndarray:
        """The PSNR of each image, dB. Images of one size stand together."""
        space = self._supernet.space
        trunk, paths = space.split(codes)
        rows = self._supernet.rows_of_path(codes)
        enter, blocks, leave = self._supernet.pieces(codes)
        if trunk not in self._first:
            run = self._trace(enter, enter, rows[0], [IMAGE])
            self._first[trunk] = [run(rows[0], lr) for lr in self._lr]
        outputs: list[list[tf.Tensor]] = []
        for depth, (block, own) in enumerate(zip(blocks, rows[1:], strict=False), start=1):
            before = outputs[-1] if outputs else self._first[trunk]
            kept = self._features[depth - 1] if depth < len(paths) else None
            outputs.append(self._after(block, own, before, (trunk, *paths[:depth]), kept))
        features = self._spec(self._first[trunk][0])
        tail = self._trace(leave, self._psnrs(leave), rows[0], [IMAGE, WANTED, features, [features] * len(paths)])
        groups = zip(self._lr, self._wanted, self._first[trunk], *outputs, strict=True)
        psnrs = [tail(rows[0], lr, wanted, first, list(own)) for lr, wanted, first, *own in groups]
        return tf.concat(psnrs, axis=0).numpy()

    def _after(
        self,
        block: Callable,
        rows: list[tf.Tensor],
        before: list[tf.Tensor],
        prefix: Prefix,
        kept: OrderedDict[Prefix, list[tf.Tensor]] | None,
    ) -> list[tf.Tensor]:
        """The features behind a block, batch by batch."""
        if kept is not None and prefix in kept:
            kept.move_to_end(prefix)
            return kept[prefix]
        run = self._trace(block, block, rows, [self._spec(before[0])])
        made = [run(rows, x) for x in before]
        if kept is not None:
            kept[prefix] = made
            self._used += _bytes(made)
            self._make_room()
        return made

    def _trace(self, key: Callable, function: Callable, rows: list[tf.Tensor], inputs: list) -> Callable:
        """A function of (rows, *inputs), traced once."""
        if key not in self._traced:
            run = tf.function(function, input_signature=[[ROWS] * len(rows), *inputs], autograph=False)
            with TRACING:
                self._traced[key] = run.get_concrete_function()
        return self._traced[key]

    @staticmethod
    def _spec(features: tf.Tensor) -> tf.TensorSpec:
        """The spec of features of this width, for any number and size of images."""
        return tf.TensorSpec([None, None, None, features.shape[-1]], features.dtype)

    def _make_room(self) -> None:
        for kept in reversed(self._features):
            while len(kept) > 1 and self._used > self._memory:
                _, dropped = kept.popitem(last=False)
                self._used -= _bytes(dropped)

    def _psnrs(self, leave: Callable) -> Callable:
        """A function of `leave`'s arguments and the images' luma: the PSNR of each image of a batch."""
        border = self._supernet.scale

        def psnrs(rows, lr, wanted, first, outputs):
            sr = leave(rows, lr, first, outputs)
            levels = tf.round(tf.clip_by_value(sr[:, border:-border, border:-border], 0.0, 1.0) * PEAK)
            got = BLACK + tf.tensordot(levels, tf.constant(BT601) / PEAK, 1)
            error = tf.cast(tf.reduce_mean(tf.math.squared_difference(got, wanted), axis=(1, 2)), tf.float64)
            return 10 * (2 * math.log10(PEAK) - tf.math.log(error) / math.log(10))

        return psnrs


class SharedOut:
    """Scores as `PathScorer` does. Several scorers work at once, each on a share of the images.

    Args:
        supernet: see `PathScorer`.
        pairs: see `PathScorer`.
        memory: bytes for the features of all scorers.
        count: number of scorers.
    """

    def __init__(self, supernet: Supernet, pairs: Sequence[Pair], memory: int, count: int) -> None:
        self._scorers = [PathScorer(supernet, pairs[i::count], memory // count) for i in range(count)]
        self._threads = ThreadPoolExecutor(count)

    def __call__(self, codes: Sequence[int]) -> float:
        shares = list(self._threads.map(lambda scorer: scorer.psnrs(codes), self._scorers))
        return float(np.mean(np.concatenate(shares)))


Scorer = PathScorer | SharedOut


def _scorer(supernet: Supernet, pairs: Sequence[Pair], memory: int) -> Scorer:
    count = min(lanes(), len(pairs))
    return SharedOut(supernet, pairs, memory, count) if count > 1 else PathScorer(supernet, pairs, memory)


def scorers(supernet: Supernet, pairs: Sequence[Pair], memory: int, policy: str) -> tuple[Scorer, Scorer | None]:
    """The exact scorer of a search, and a rougher one to screen by, which is None under float32.

    Args:
        supernet: trained.
        pairs: the validation images.
        memory: bytes for the features of both scorers.
        policy: Keras dtype policy of the rougher one.
    """
    exact, *rough = (_scorer(_under(supernet, each), pairs, share) for each, share in _shares(memory, policy))
    return exact, rough[0] if rough else None


def travelling_scorers(
    path: Path, data: DataSettings, memory: int, policy: str, cache_dir: str = ""
) -> tuple[Loaded, Loaded | None]:
    """Like `scorers`, for other processes: each loads the supernet's file and the validation images itself."""
    exact, *rough = (
        Loaded(functools.partial(_load_scorer, path.absolute(), data, share, each, cache_dir))
        for each, share in _shares(memory, policy)
    )
    return exact, rough[0] if rough else None


def _load_scorer(path: Path, data: DataSettings, memory: int, policy: str, cache_dir: str) -> Scorer:
    supernet = load_supernet(path)
    return _scorer(_under(supernet, policy), load_for(data, "val", supernet.scale, cache_dir), memory)


def _under(supernet: Supernet, policy: str) -> Supernet:
    return supernet if policy == "float32" else supernet.cast(policy)


def _shares(memory: int, policy: str) -> list[tuple[str, int]]:
    """The dtype policies, the exact one first, and the bytes for each."""
    if policy == "float32":
        return [(policy, memory)]
    # Most networks are measured only roughly.
    return [("float32", memory // 4), (policy, memory * 3 // 4)]


def _bytes(tensors: Sequence[tf.Tensor]) -> int:
    return sum(tensor.dtype.size * int(np.prod(tensor.shape)) for tensor in tensors)


def _of_one_size(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Groups of pairs whose low-resolution images have one size, none larger than a batch."""
    sizes: dict[tuple[int, ...], list[Pair]] = {}
    for pair in pairs:
        sizes.setdefault(pair.lr.shape, []).append(pair)
    groups = []
    for shape, group in sizes.items():
        count = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        groups += [group[i : i + count] for i in range(0, len(group), count)]
    return groups
