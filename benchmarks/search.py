"""A whole search's evaluations, against as many networks measured one by one."""
