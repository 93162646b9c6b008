"""CARN: Ahn et al. 2018, "Fast, accurate, and lightweight super-resolution with cascading residual network"."""

from collections.abc import Callable

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import concat, conv, relu, upsample, with_mean, without_mean


def carn(image: Tensor, scale: int, width: int) -> dict[int, Tensor]:
    """Cascades of cascades of residual blocks. 1591939 parameters, with the upsamplers of all three scales.

    One network has all scales, as in the paper and in the table. At x4 it uses 1111875 of its parameters, and exported
    files hold only these. The authors' file has 24 more, for two constant shifts of the mean.
    """
    x = conv(3, width)(without_mean(image))
    x = _cascade(x, lambda x: _cascade(x, _residual))
    to_image = conv(width, 3)
    return {s: with_mean(to_image(upsample(x, width, s, activated=True))) for s in (2, 3, 4)}


def _cascade(x: Tensor, unit: Callable[[Tensor], Tensor]) -> Tensor:
    """Three units. After each, a 1x1 convolution fuses the input and all outputs so far."""
    width, passed = x.channels, [x]
    for _ in range(3):
        passed.append(unit(x))
        x = relu(conv(width * len(passed), width, 1)(concat(*passed)))
    return x


def _residual(x: Tensor) -> Tensor:
    width = x.channels
    return relu(x + conv(width, width)(relu(conv(width, width)(x))))
