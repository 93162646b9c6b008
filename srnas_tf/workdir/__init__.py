"""The workdir, a folder that belongs to one experiment: its record, its lock, its journals."""
