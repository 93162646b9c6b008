"""The search for a network."""
