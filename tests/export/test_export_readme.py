"""The snippets of export/README.md, run as they stand, each in a process without this package."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

from srnas_tf import metrics
from srnas_tf.train.evaluate import of_network

SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "export" / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("runtime", ["onnxruntime", "ai_edge_litert", "tensorflow"])
def test_snippets_enlarge_an_image(frozen, tmp_path, runtime):
    model, _, folder = frozen
    shutil.copytree(folder, tmp_path / "export")
    lr = photograph(np.random.default_rng(3), 21, 34)
    Image.fromarray(lr).save(tmp_path / "export" / "in.png")
    first, *middle, last = SNIPPETS
    [own] = [snippet for snippet in middle if re.search(rf"(import|from) {runtime}\b", snippet)]
    script = first + own + last + "import sys; assert 'srnas_tf' not in sys.modules"
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path / "export")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "export" / "out.png") as image:
        difference = np.abs(np.asarray(image).astype(int) - metrics.to_uint8(of_network(model)(lr)))
    assert difference.max() <= 1
