"""The machine: signals, devices, other hosts, the terminal, child processes."""
