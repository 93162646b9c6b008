"""Training: the step, the loop, schedules, path sampling, checkpoints, measurement."""
