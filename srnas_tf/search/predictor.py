"""Predicts the PSNR of a network from those of trained networks."""

import functools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, Matern, WhiteKernel
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from srnas_tf.arch.block import LETTERS
from srnas_tf.arch.network import Network
from srnas_tf.arch.work import work


class Prediction(NamedTuple):
    """PSNR and its standard deviation of several networks, dB, [networks]."""

    psnr: np.ndarray
    deviation: np.ndarray


_counted = functools.lru_cache(65536)(work)


def features(network: Network, kinds: Sequence[str]) -> list[float]:
    """The features of a network: its size, its shape, its letters, and the counts of `arch.work`.

    Args:
        kinds: kinds of work in `arch.work`.
    """
    counted, depth = _counted(network), len(network.blocks)
    letters = [sum(block.recipe.count(letter) for block in network.blocks) / depth for letter in LETTERS]
    blocks = [(float(np.mean(block.kernels)), block.inner, block.rate) for block in network.blocks]
    sizes = [network.params, network.macs(), network.width, depth]
    shape = [*np.log(sizes), *np.mean(blocks, axis=0), *letters]
    return [*shape, *(float(np.log1p(1000 * counted[kind])) for kind in kinds)]


class Predictor:
    """A Gaussian process over `features`: a linear trend, a smooth part, and the noise of seeds.

    Args:
        networks: the trained networks.
        psnrs: their PSNR, dB.
    """

    def __init__(self, networks: Sequence[Network], psnrs: Sequence[float]) -> None:
        self._kinds = sorted({kind for network in networks for kind in _counted(network)})
        kernel = DotProduct(1.0) + 1.0 * Matern(5.0, (0.5, 100.0), nu=2.5) + WhiteKernel(0.1, (1e-3, 1.0))
        process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0)
        self._model: Pipeline = make_pipeline(StandardScaler(), process)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # at a bound: no trend, no noise
            self._model.fit(self._matrix(networks), np.array(psnrs))

    def _matrix(self, networks: Sequence[Network]) -> np.ndarray:
        return np.array([features(network, self._kinds) for network in networks])

    def predict(self, networks: Sequence[Network]) -> Prediction:
        """The prediction for any networks."""
        return Prediction(*self._model.predict(self._matrix(networks), return_std=True))
