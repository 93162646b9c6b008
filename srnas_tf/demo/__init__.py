"""Builds a page that enlarges photographs in the browser, and serves it on this machine."""
