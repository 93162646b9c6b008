"""What `--mode=describe` prints: a network and its space as plain data."""

from srnas_tf.arch.block import plan
from srnas_tf.arch.network import HD_PIXELS, Network
from srnas_tf.arch.space import Space


def describe(space: Space | None, network: Network | None) -> dict:
    """A JSON-ready description; MACs are for an output of 1280x720.

    Args:
        space: the space, for codes, the supernet's count and a table of all paths; None for a network on its own.
        network: the network, or None to describe the space alone.
    """
    described: dict = {"arch": None, "codes": None, "params": None, "macs": None, "supernet_params": None, "blocks": []}
    if network is not None:
        codes = space.codes(network) if space else None
        described |= {
            "arch": str(network),
            "codes": list(codes) if codes else None,
            "params": network.params,
            "macs": network.macs(),
            "blocks": _blocks(network.blocks, network.width, network.scale),
        }
    if space is not None:
        described["supernet_params"] = space.supernet_params
        described["paths"] = _blocks(space.choices, space.width, space.scale)
    return described


def _blocks(blocks, width: int, scale: int) -> list[dict]:
    pixels = HD_PIXELS // scale**2
    plans = [plan(block, width) for block in blocks]
    return [
        {"recipe": block.recipe, "params": p.params, "macs": p.macs(pixels)}
        for block, p in zip(blocks, plans, strict=True)
    ]
