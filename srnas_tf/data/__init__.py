"""Turns image files into pairs and batches of low and high resolution."""
