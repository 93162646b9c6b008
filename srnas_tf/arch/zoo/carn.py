"""CARN: Ahn et al. 2018, "Fast, accurate, and lightweight super-resolution with cascading residual network"."""

from collections.abc import Callable

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import concat, conv, relu, upsample, with_mean, without_mean


def carn(image: Tensor, scale: int) -> dict[int, Tensor]:
    """Cascades of cascades of residual blocks. 1591939 parameters, with the upsamplers of all three scales.

    One network has all scales, as in the paper and in the table; what stands at the scale in use is 1111875 at x4, and
    that is what an export holds. The authors' file also counts its two constant shifts of the mean, 24 more.
    """
    x = conv(3, 64)(without_mean(image))
    x = _cascade(x, lambda x: _cascade(x, _residual))
    to_image = conv(64, 3)
    return {s: with_mean(to_image(upsample(x, 64, s, activated=True))) for s in (2, 3, 4)}


def _cascade(x: Tensor, unit: Callable[[Tensor], Tensor]) -> Tensor:
    """Three units; before each next one, and at the end, all that came so far is fused by a 1x1 convolution."""
    passed = [x]
    for _ in range(3):
        passed.append(unit(x))
        x = relu(conv(64 * len(passed), 64, 1)(concat(*passed)))
    return x


def _residual(x: Tensor) -> Tensor:
    return relu(x + conv(64, 64)(relu(conv(64, 64)(x))))
