"""Enlarges an image by TensorFlow Serving, REST: python rest.py INPUT OUTPUT [--url URL]. Needs Python alone."""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

URL = "http://localhost:8501/v1/models/srnas"


def enlarge(files: list[bytes], url: str = URL, timeout: float = 300.0) -> list[bytes]:
    """PNG, JPEG or BMP files to PNG files, in one request.

    Raises:
        RuntimeError: with the server's own words where it refuses, or where there is none.
    """
    instances = [{"image_bytes": {"b64": base64.b64encode(file).decode("ascii")}} for file in files]
    body = json.dumps({"signature_name": "serving_image", "instances": instances}).encode("utf-8")
    request = urllib.request.Request(f"{url}:predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            predictions = json.load(answer)["predictions"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error).get("error", str(error))) from None
    except urllib.error.URLError as error:
        raise RuntimeError(f"{url}: {error.reason}") from None
    return [base64.b64decode(prediction["b64"]) for prediction in predictions]


def main(argv: list[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Enlarges an image by TensorFlow Serving, REST.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="a .png file")
    parser.add_argument("--url", default=URL)
    given = parser.parse_args(argv)
    try:
        [made] = enlarge([given.input.read_bytes()], given.url)
        given.output.write_bytes(made)
    except (OSError, RuntimeError) as error:
        print(f"rest: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
