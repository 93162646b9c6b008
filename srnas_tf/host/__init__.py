"""The machine under the work: signals, devices, other hosts, the terminal."""
