"""A network and its space as plain data, for `--mode=describe`."""

from srnas_tf.arch.architecture import Architecture
from srnas_tf.arch.network import HD_PIXELS, block_costs
from srnas_tf.arch.space import Space


def describe(space: Space | None, network: Architecture | None) -> dict:
    """A JSON-ready description; MACs are for an output of 1280x720.

    Args:
        space: adds codes, dimensions, the supernet's parameters and a table of all blocks, at the width of the first
            trunk. None for a network on its own.
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
            "blocks": network.costs(),
        }
    if space is not None:
        described |= {
            "supernet_params": space.supernet_params,
            "dimensions": {name: list(values) for name, values in space.dimensions.items()},
            "networks": space.count,
            "paths": block_costs(space.blocks, space.trunks[0].width, HD_PIXELS // space.scale**2),
        }
    return described
