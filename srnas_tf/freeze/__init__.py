"""Exports a trained network to files for other runtimes, and compares each with the network."""
