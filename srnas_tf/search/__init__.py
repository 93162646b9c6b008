"""Which network: search over a trained supernet."""
