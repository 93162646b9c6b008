"""The modes of the command line. Each is a module with one public function, `run`."""
