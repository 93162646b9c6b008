"""A trained network as files that other runtimes load, each checked against it."""
