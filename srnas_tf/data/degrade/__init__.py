"""How low-resolution images are made of high-resolution ones: a text of named steps, one module a family of steps.

`pipeline.Degradation` parses the text and applies it; `steps.STEPS` is the table of all steps.
"""
