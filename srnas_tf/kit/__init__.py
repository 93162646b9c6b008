"""Code that the kits of `export/` share with this package: reads, writes and tiles images.

It needs numpy and Pillow alone, and imports nothing of the package around it. Each kit has it as `kit/`, by a link.
"""
