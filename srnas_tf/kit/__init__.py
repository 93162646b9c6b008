"""What the kits of `export/` share with this package: images in and out, and images in parts.

Needs numpy and Pillow alone, and imports nothing of the package around it: each kit has it as `kit/`, by a link.
"""
