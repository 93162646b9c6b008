"""Makes low-resolution images from high-resolution ones, by a text of named steps. Each family of steps has a module.

`pipeline.Degradation` parses the text and applies it. `steps.STEPS` is the table of all steps.
"""
