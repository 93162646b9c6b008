"""A folder that belongs to one experiment: its record, its lock, its journals."""
