"""Files of one JSON object a line that survive a kill."""

import json
from pathlib import Path

from srnas_tf.settings import write_text


def read_lines(path: Path) -> list[dict]:
    """The whole lines of a journal; a last line that a kill cut short is dropped, from the file too."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    complete = text[: text.rfind("\n") + 1]
    if complete != text:
        write_text(path, complete)
    return [json.loads(line) for line in complete.splitlines()]


def append_line(path: Path, entry: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
