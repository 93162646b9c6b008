"""Photographs to (low, high resolution) pairs and batches."""
