"""A training on one GPU of a machine that has neither TensorFlow nor a network: README.md beside this file."""
