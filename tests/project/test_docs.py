"""Documents: what they link to is there, the site can be built of them, and the notebook runs."""

import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys

import keras
import numpy
import pytest
from conftest import ROOT
from test_layers import FLOORS

import srnas_tf
from docs import floors, notebook, pages, reading


@pytest.mark.parametrize("document", pages.documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target, anchor in pages.links(document):
        assert target.exists(), f"{document}: links to {target}, which is not there"
        assert target.is_relative_to(ROOT), f"{document}: links out of the repository, to {target}"
        if anchor:
            assert target.suffix == ".md" and anchor in pages.anchors(target), f"{document}: {target} has no #{anchor}"


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    document = tmp_path / "a.md"
    document.write_text(
        '# One `two`, _three_\n# One\n# One\n[a](gone.md#x) ![b](b.png)\n<img src="c.svg">\n[d](https://d)\n'
    )
    assert [(link.target.name, link.anchor) for link in pages.links(document)] == [
        ("gone.md", "x"),
        ("b.png", ""),
        ("c.svg", ""),
    ]
    assert pages.anchors(document) == {"one-two-three", "one", "one-1"}


def test_every_guide_has_a_place_in_the_site():
    """All documents and rooms are in the navigation of mkdocs.yml, and what it names is there."""
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    reference = {name for name in named if name.startswith("reference/")}
    assert reference == {f"reference/{name}.md" for name in [*pages.ROOMS, "below"]}
    there = {str(path.relative_to(ROOT)) for path in pages.documents()}
    notebooks = {str(path.relative_to(ROOT).with_suffix(".md")) for path in (ROOT / "docs").glob("*.ipynb")}
    assert named - reference == there | notebooks


@pytest.mark.parametrize("name", ["operators", "recipes", "supernets"])
def test_tables_of_experiments_are_those_of_their_figures(name):
    """Made in a process of its own: benchmarks define flags that modes define, too."""
    script = f"""
import json
from benchmarks.contenders import END
from benchmarks.{name} import *
results = json.loads((ROOT / "results/{name}/{name}.json").read_text("utf-8"))
assert DOCUMENT.read_text("utf-8").split(BEGIN)[1].split(END)[0] == table(results), "run it with --table"
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_the_drawing_of_the_house_is_that_of_the_code():
    assert floors.DRAWING.read_text("utf-8") == floors.draw(), "run python -m docs.floors"
    assert [set(rooms) for rooms in floors.FLOORS[1:]] == FLOORS[1:]


def test_the_site_is_built_without_a_warning(tmp_path):
    pages.stage(tmp_path / "build" / "pages")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "srnas_tf").symlink_to(ROOT / "srnas_tf")
    line = [sys.executable, "-m", "zensical", "build", "--strict", f"--config-file={tmp_path / 'mkdocs.yml'}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "build" / "site"
    assert "choice block" in (site / "index.html").read_text("utf-8")
    reference = (site / "reference" / "nets.html").read_text("utf-8")
    assert "dtype" in reference
    assert reference.count('<span class="gp">&gt;&gt;&gt; </span>') == sum(_examples(name) for name in EXAMPLES[1:])
    assert "griffe:" not in done.stdout + done.stderr, "a docstring that does not fit its function"


def _snippets(document) -> str:
    """The Python of a page, in its order."""
    tokens = pages.PARSER.parse((ROOT / document).read_text("utf-8"))
    return "\n".join(token.content for token in tokens if token.type == "fence" and token.info == "python")


@pytest.mark.parametrize("document", ["docs/python.md", "docs/spaces.md"])
def test_the_snippets_of_a_page_run(tmp_path, photographs, document):
    """As they stand, but with shorter trainings, fewer networks and smaller images."""
    shortened = re.sub(r"steps=\d+", "steps=2, validate_every=2", _snippets(document))
    shortened = shortened.replace("population=8, iterations=3", "population=2, iterations=1")
    shortened = shortened.replace('width="8/16", depth="1/2"', "width=8, depth=1, stages=1")
    shortened = shortened.replace('data="photos"', f"data={str(photographs)!r}").replace("patch=24", "patch=8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", shortened]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


EXAMPLES = ["inference", "nets.attention", "nets.block", "nets.network", "nets.supernet", "nets.zoo"]
"""Modules whose docstrings hold examples."""


def _examples(name: str) -> int:
    return (ROOT / "srnas_tf" / f"{name.replace('.', '/')}.py").read_text("utf-8").count(">>> ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(f"srnas_tf.{name}")
    names = {"keras": keras, "np": numpy, "srnas_tf": srnas_tf}
    assert doctest.testmod(module, extraglobs=names) == (0, _examples(name))


def _kinds(run) -> list[list[str]]:
    """What each code cell left: printed text, values, pictures."""
    return [
        [output.name if output.output_type == "stream" else " ".join(sorted(output.data)) for output in cell.outputs]
        for cell in run.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run = notebook.run(tmp_path)
    assert _kinds(run) == _kinds(notebook.read())
    printed = "".join(output.get("text", "") for cell in run.cells for output in cell.get("outputs", []))
    [(bicubic, found)] = re.findall(r"bicubic ([\d.]+) dB, found ([\d.]+) dB", printed)
    assert float(found) > float(bicubic)


def test_the_notebook_is_committed_as_it_ran():
    committed = notebook.read()
    cells = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in kind for kinds in _kinds(committed) for kind in kinds) == 3
    for cell in committed.cells:
        texts = [str(output.get("text") or output.data.get("text/plain")) for output in cell.get("outputs", [])]
        for text in [str(cell.metadata), *texts]:
            assert not re.search(r"/(tmp|home|root|usr|var|work|Users)/|\b20\d\d-\d\d-\d\d", text), text


@pytest.mark.parametrize("document", reading.documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_can_be_read(document):
    assert reading.ease(document) >= reading.EASE
    assert not reading.long_sentences(document)


def test_a_long_sentence_is_found(tmp_path):
    document = tmp_path / "a.md"
    document.write_text(f"# {'word ' * 40}\n\nOne `a b` two. {'word ' * 30}word.\n\n| a |\n|---|\n| {'cell ' * 31} |\n")
    assert [len(each.split()) for each in reading.long_sentences(document)] == [31, 31]
    hard = tmp_path / "b.md"
    hard.write_text("Internationalization institutionalizes administrative responsibilities comprehensively.\n")
    assert reading.ease(hard) < reading.EASE < reading.ease(document)
