"""A page that enlarges photographs in the browser: how it is put together, and served on this machine."""
