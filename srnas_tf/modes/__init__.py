"""One module a mode of the command line, each with one public function `run`."""
