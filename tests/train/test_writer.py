"""What TensorBoard shows of a search; of a training, tests/train/test_train.py says it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from conftest import lines
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from srnas_tf.arch import Space
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings
from srnas_tf.train.writer import SearchBoard


def measure(codes) -> float:
    return 30 + np.random.default_rng(codes).random()


def rough(codes) -> float:
    return measure(codes) - 0.001


@pytest.mark.parametrize("screen", [None, rough])
def test_tensorboard_shows_each_measurement_of_a_search_once(tmp_path, screen):
    networks, settings = Feasible(Space(depth=3, width=16), {}), SearchSettings(population=12, iterations=4)
    for _ in range(2):  # the second time from the journal
        search(networks, settings, measure, tmp_path, screen, show=SearchBoard(tmp_path).show)
    board = EventAccumulator(str(tmp_path / "tensorboard"), {"tensors": 0}).Reload()
    psnr, best = (
        [float(tf.make_ndarray(event.tensor_proto)) for event in board.Tensors(name)] for name in ("psnr", "best_psnr")
    )
    measured = [line["psnr"] for line in lines(tmp_path / "journal.jsonl") if "psnr" in line]
    assert sorted(psnr) == pytest.approx(sorted(measured))
    assert [event.step for event in board.Tensors("psnr")] == list(range(1, len(measured) + 1))
    assert best == list(itertools.accumulate(psnr, max))
