"""`report.html`: complete, self-contained, honest about what is missing, and safe whatever the files hold."""

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from srnas_tf import arch, run
from srnas_tf.arch.block import plan
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.freeze.export import FORMS
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.report import drawing, exported, page, written
from srnas_tf.report.chart import Line, Mark, axis, chart
from srnas_tf.report.compare import Crop, Row, write_crops
from srnas_tf.search.front import front
from srnas_tf.search.settings import Budget, SearchSettings
from srnas_tf.train.settings import RetrainSettings, TrainSettings
from srnas_tf.workdir.files import write_json
from srnas_tf.workdir.folder import Workdir
from srnas_tf.workdir.runs import note

SPACE = arch.Space(depth=2, width=16)
WIDE = arch.Space(space="tapped", width=arch.space.Values((16, 32)), depth=arch.space.Values((1, 2)))
EVIL = "<script>alert('&\"')</script>"


def _write_lines(path: Path, entries) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def _write_model(path: Path, network: arch.Network, **provenance) -> None:
    """What a report reads of a model: its own description."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"network": str(network), "provenance": provenance}}))


def _facts(codes, psnr: float) -> dict:
    network = SPACE.network(codes)
    return {"arch": str(network), "codes": list(codes), "params": network.params, "macs": network.macs(), "psnr": psnr}


def rungs(folder: Path) -> list[dict]:
    """Writes what a search leaves that trained eight networks for 100 steps, and the best three for 400."""
    rng, entries = np.random.default_rng(0), {}
    while len(entries) < 8:
        codes = WIDE.canonical(WIDE.sample(rng))
        network = WIDE.network(codes)
        facts = {"arch": str(network), "codes": list(codes), "params": network.params, "macs": network.macs()}
        entries[codes] = {**facts, "iteration": 0, "origin": "random" if len(entries) < 4 else "predicted"}
    first = [{**entry, "rung": 1, "steps": 100, "psnr": 24 + rng.uniform()} for entry in entries.values()]
    best = sorted(first, key=lambda entry: -entry["psnr"])[:3]
    every = first + [{**entry, "rung": 2, "steps": 400, "psnr": entry["psnr"] + 1} for entry in best]
    (folder / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in every))
    (folder / "best.json").write_text(json.dumps(every[-3:-2]))
    return every


def _train(folder: Path, *, validated: bool = True) -> None:
    steps = range(1, 101, 20)
    entries = [{"step": s, "loss": 1 / s, "learning_rate": 1e-3, "seconds": s / 10} for s in steps]
    if validated:
        entries[-1]["val_psnr"] = 27.5
    _write_lines(folder / "metrics.jsonl", entries)


@pytest.fixture
def workdir(tmp_path):
    """What a pipeline and a ranking leave, without their weights."""
    path = tmp_path / "experiment"
    training = TrainSettings(steps=81)
    with Workdir(path) as folder:
        folder.claim(network=SPACE, data=DataSettings(), supernet=training, retraining=RetrainSettings())
        for name in ("search", "retrain"):
            (path / name).mkdir()
        folder.claim(
            search=SearchSettings(population=4, iterations=2, top_k=1),
            budget=Budget(max_params=50_000, max_latency_ms=5.0),
        )
        folder.claim(latency=LatencySettings("litert", 2, "96x128"))
        folder.claim(retrain=training)
    note(path, ["--mode=pipeline", "--data=a & b"])
    rng = np.random.default_rng(0)
    entries = [{**_facts((i, 7 - i), 26 + rng.uniform()), "latency_ms": 4.25} for i in range(8)]
    _write_lines(path / "search" / "journal.jsonl", entries)
    best = max(entries, key=lambda entry: entry["psnr"])
    write_json(path / "search" / "best.json", [best])
    write_json(path / "search" / "front.json", front(entries, ["macs"]))
    found = arch.Network.parse(best["arch"])
    _train(path / "supernet")
    for name, network in (("1", found), ("imdn", arch.imdn(4, 16, 2))):
        _train(path / "retrain" / name)
        _write_model(path / "retrain" / name / "model.keras", network, val_psnr=27.5)
    rows = [
        {"method": "bicubic", "arch": None, "codes": None, "params": None, "macs": None, "psnr": 26.5, "ssim": 0.7},
        {"method": "IMDN", "psnr": 27.25, "ssim": 0.75, **_facts((0, 0), 0), "codes": None} | {"psnr": 27.25},
        {"method": "found", "ssim": 0.76, **best, "psnr": 27.5},
    ]
    for row, ms in zip(rows[1:], (4.75, 4.5), strict=True):
        row |= {"latency_ms": ms, "timed": "litert"}
    write_json(path / "pipeline.json", [{**row, "images": 2} for row in rows])
    write_json(path / "evaluate.json", {EVIL: {"psnr": None, "ssim": 1.0, "images": 2}})
    entry = {"bytes": 2048, "max_abs_diff": 1e-7, "psnr_diff": -1e-5, "ok": True}
    write_json(path / "export" / "export.json", {"model.onnx": entry})
    timed = [{"arch": entry["arch"], "predicted_ms": 4.0, "measured_ms": 4.375} for entry in entries]
    space = {"runtime": "onnxruntime", "median_error": 0.0625, "networks": timed}
    models = {"model.tflite": {"threads": 2, "latency_ms": 7.125, "note": EVIL}}
    write_json(path / "benchmark.json", {"models": models, "space": {"onnxruntime-t2": space}})
    estimate = {"kendall_tau": [0.5, 0.25, 0.75], "spearman": [None, None, None]}
    pairs = [
        {**e, "supernet_psnr": e["psnr"], "psnr": e["psnr"] + 1, "samples": [kind]}
        for e, kind in zip(entries, ["range", "band"] * 4, strict=True)
    ]
    sample = {"networks": 4, "supernet": estimate, "params": estimate}
    rank = {"kendall_tau": 0.5, "spearman": None, "range": sample, "band": sample, "repeats": {"kendall_tau": None}}
    write_json(path / "rank.json", {**rank, "pairs": pairs})
    image = np.zeros((8, 8, 3), np.uint8)
    crops = [Crop("original", image, None), Crop("bicubic", image, 26.5), Crop("IMDN", image, np.inf)]
    write_crops([Row(EVIL, crops)], path / "compare")
    return path


class _Page(HTMLParser):
    """Elements and their attributes; text by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"]

    def handle_data(self, data):
        self.sections[self._section] = self.sections.get(self._section, "") + data

    def all(self, *tags: str) -> list[dict]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def test_a_whole_experiment_leaves_nothing_out(workdir):
    text = page.render(workdir)
    shown = _Page(text)
    assert set(shown.sections) - {""} == {section.name for section in page.SECTIONS}
    assert 'class="missing"' not in text
    found = arch.Network.parse(json.loads((workdir / "search" / "best.json").read_text())[0]["arch"])
    answer = shown.sections["answer"]
    assert f"{found.params:,} parameters of 50,000 parameters" in answer
    assert "4.25 ms of 5 ms" in answer
    for block, costs in zip(found.blocks, found.costs(), strict=True):
        assert block.recipe in answer
        assert f"{costs['params']:,} parameters" in answer
    assert len([a for a in shown.all("svg") if a["class"] == "block"]) == len(found.blocks)
    for words, section in (
        (
            ("at most 50,000 parameters, 5 ms", "evolution, 2 × 4 candidates", "litert, threads: 2, input 96x128"),
            "asked",
        ),
        (("26.50 dB", "∞ dB"), "pictures"),
        (("27.25", "27.50", "0.7600", "∞", "ms, litert", "4.75"), "compared"),
        (("8 networks were measured", found.recipes, "milliseconds", "4.25"), "search"),
        (("0.50 (0.25 to 0.75)", "Kendall tau of 0.50"), "ranking"),
        (("supernet", "found 1", "IMDN", "27.500"), "training"),
        (("model.onnx", "1.0e-07", "onnxruntime and OpenVINO"), "files"),
        (("model.tflite", "7.125", "4.375", "6.2%"), "benchmark"),
        (("python -m srnas_tf.run --mode=pipeline '--data=a & b'", "keras 3.", "learning_rate"), "made"),
    ):
        for word in words:
            assert word in shown.sections[section], (section, word)
    assert "4.25" in shown.sections[""]  # the predicted latency, above
    assert "latency in litert" in shown.sections[""]


def test_the_page_needs_nothing_else_and_lets_nothing_in(workdir):
    text = page.render(workdir)
    shown = _Page(text)
    for tag, attributes in shown.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag  # the policy would ignore it
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                assert value.startswith(("#", "data:image/png;base64,", "export/")), value
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "url(" not in text
    [policy] = [meta["content"] for meta in shown.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag, word in (("style", "style-src"), ("script", "script-src")):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{word} 'sha256-{digest}'" in policy
    names = {attributes["id"] for _, attributes in shown.elements if "id" in attributes}
    links = {link["href"] for link in shown.all("a")}
    assert {link[1:] for link in links if link.startswith("#")} <= names
    assert {link for link in links if not link.startswith("#")} == {"export/model.onnx"}


def test_what_files_say_is_text(workdir):
    note(workdir, [EVIL])
    text = page.render(workdir)
    assert "<script>alert" not in text
    assert text.count("<script>") == 1
    assert text.count("&lt;script&gt;alert") >= 4


def test_pictures_have_words(workdir):
    shown = _Page(page.render(workdir))
    assert all(image["alt"] for image in shown.all("img"))
    assert all(svg["aria-label"] and svg["role"] in ("img", "group") for svg in shown.all("svg"))
    stops = [attributes for attributes in shown.all("circle") if attributes.get("tabindex")]
    assert stops
    assert all("dB" in stop["aria-label"] for stop in stops)
    assert {table_row["scope"] for table_row in shown.all("th") if "scope" in table_row} == {"row"}
    [html] = shown.all("html")
    assert html["lang"] == "en"


def test_what_was_not_done_is_said(tmp_path):
    Workdir(tmp_path / "w").claim(network=SPACE, data=DataSettings(), supernet=TrainSettings())
    (tmp_path / "w" / "supernet").mkdir()
    _train(tmp_path / "w" / "supernet", validated=False)
    sections = _Page(page.render(tmp_path / "w")).sections
    said = {name: re.findall(r"--mode=(\w+) does that", text) for name, text in sections.items()}
    assert {name for name, modes in said.items() if modes} == {
        "answer", "pictures", "compared", "search", "ranking", "files", "benchmark",
    }  # fmt: skip
    assert "The commands were not recorded" in sections["made"]
    assert "100" not in sections["training"].split("steps")[-1]
    assert {section.mode for section in page.SECTIONS} <= set(run.MODES)


def test_a_search_on_its_way(workdir):
    for name in ("best.json", "front.json"):
        (workdir / "search" / name).unlink()
    (workdir / "pipeline.json").unlink()
    journal = workdir / "search" / "journal.jsonl"
    whole = journal.read_bytes()
    entries = whole.splitlines(keepends=True)
    begun = b"".join(entries[:5]) + entries[5][:10]
    journal.write_bytes(begun)
    shown = _Page(page.render(workdir))
    assert "5 networks of 8 planned" in " ".join(shown.sections["search"].split())
    assert "The search has not finished" in shown.sections["search"]
    assert "The best of the retrained networks on the validation images" in shown.sections["answer"]
    assert journal.read_bytes() == begun  # its writer has not come to the end of a line; nobody else mends it


def test_networks_that_are_not_made_of_blocks(tmp_path):
    _write_model(tmp_path / "train" / "model.keras", arch.NETS["carn"](4), val_psnr=26.25)
    sections = _Page(page.render(tmp_path)).sections
    assert "x4:carn" in sections["answer"]
    assert "26.25" in sections[""]


FILES = {
    "experiment.json": {"asked", "answer", "search", "training", "made"},
    "pipeline.json": {"answer", "compared"},
    "evaluate.json": {"compared"},
    "search/journal.jsonl": {"search"},
    "search/best.json": {"answer", "search"},
    "retrain/1/model.keras": {"answer", "training"},
    "supernet/metrics.jsonl": {"training"},
    "rank.json": {"ranking"},
    "compare/crops.json": {"pictures"},
    "compare/1-bicubic.png": {"pictures"},
    "export/export.json": {"files", "benchmark"},
    "benchmark.json": {"benchmark"},
    "runs.jsonl": {"made"},
}


@pytest.mark.parametrize("content", [b"\x00\xff{\n", b"7\n", b'[{"a": 1}]\n', b'{"a": [null]}\n'])
@pytest.mark.parametrize("name", FILES)
def test_a_spoiled_file_costs_its_sections_at_most(workdir, name, content):
    (workdir / name).write_bytes(content)
    text = page.render(workdir)
    sections = _Page(text).sections
    wrong = {
        part for part, words in sections.items() if re.search(r"was written by another version|is no |holds no", words)
    }
    assert wrong <= FILES[name]
    if content.startswith(b"\x00"):
        assert wrong


def test_crops_are_taken_from_their_folder_only(workdir):
    Image.new("RGB", (2, 2)).save(workdir / "other.png")
    index = workdir / "compare" / "crops.json"
    index.write_text(index.read_text().replace("1-bicubic.png", "../other.png"))
    assert "names a file outside its folder" in _Page(page.render(workdir)).sections["pictures"]


def test_the_mode(workdir, invoke):
    with Workdir(workdir):  # another process is at work there
        status, stdout, stderr = invoke("--mode=report", f"--workdir={workdir}", "--width=16")
    assert (status, stdout, stderr) == (0, f"report: {workdir / 'report.html'}\n", "")
    assert (workdir / "report.html").read_text().startswith("<!doctype html>")
    assert (workdir / "runs.jsonl").read_text().count("\n") == 1
    before = (workdir / "report.html").read_bytes()
    status, _, stderr = invoke("--mode=report", f"--workdir={workdir}", "--width=32")
    assert status == 2
    assert "--width=32 contradicts 16" in stderr
    assert (workdir / "report.html").read_bytes() == before


def test_nothing_to_report(invoke, tmp_path):
    status, _, stderr = invoke("--mode=report", f"--workdir={tmp_path / 'none'}")
    assert (status, stderr.count("\n")) == (2, 1)
    assert "no such folder" in stderr
    with pytest.raises(UserError, match="holds nothing to report"):
        page.render(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_report_needs_no_tensorflow():
    script = "import sys, srnas_tf.modes.report; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def _blocks():
    for space in (arch.Space(), arch.Space(stages=6), arch.Space(space="imdn"), arch.Space(space="initial20")):
        yield from {(choice, space.width[0]): None for choice in space.blocks}
    yield from ((choice, 32) for choice in arch.Space(space="tapped", width=32).blocks)
    yield from ((arch.Block(recipe, kernel=(1, 3)), 20) for recipe in ("SCRCK", "CCCS"))
    yield arch.Block("SSS", "full"), 64


def test_a_block_is_drawn_as_its_plan_says():
    for block, width in _blocks():
        made = plan(block, width)
        picture = _Page(drawing.draw(block, width, drawing.places(made)))
        kinds = [attributes.get("class", "").split()[0] for attributes in picture.all("rect")]
        convs = [
            made.first,
            *(conv for step in made.steps for conv in step.branch + step.trunk),
            made.last,
            made.fusion,
        ]
        assert (kinds.count("conv"), kinds.count("attention")) == (len(convs), bool(made.attention))
        kept = [step.distilled for step in made.steps if step.distilled]
        assert len([a for a in picture.all("path") if a["class"] == "band kept"]) == 3 * len(kept)
        words = drawing.describe(block, width)
        assert words.count("kept") == len(kept)
        assert ("attention" in words) == bool(made.attention)
        assert f"{made.fusion.in_channels} channels" in words
        [svg] = picture.all("svg")
        height = float(svg["viewbox"].split()[3])
        for rect in picture.all("rect"):
            assert 0 <= float(rect["y"]) <= float(rect["y"]) + float(rect["height"]) <= height


def test_axes_hold_their_values_between_round_ticks():
    for values in ([26.1, 26.2], [0, 1e9], [3.0], [0.0], [-5, 5], [1e-4, 3e-4], [], [float("inf"), 1.0]):
        made = axis("", values)
        finite = [value for value in values if abs(value) < float("inf")]
        assert all(made.low <= value <= made.high for value in finite)
        assert 2 <= len(made.ticks) <= 9
        air = 1e-9 * (made.high - made.low)
        assert all(made.low - air <= tick <= made.high + air for tick in made.ticks)
        assert len({made.written(tick) for tick in made.ticks}) == len(made.ticks)


def test_marks_lie_where_their_values_say():
    x, y = axis("x", [0, 10]), axis("y", [0, 1])
    marks = [Mark(0, 0, "a"), Mark(10, 1, "b", stop=True)]
    drawn = _Page(chart("t", x, y, [Line([(0, 0), (10, 1)], "strong", "n", True)], marks))
    (ax, ay), (bx, by) = [(float(c["cx"]), float(c["cy"])) for c in drawn.all("circle")]
    assert ax < bx
    assert ay > by
    [line] = [a["d"] for a in drawn.all("path")]
    assert line == f"M{ax:g} {ay:g}L{bx:g} {ay:g}L{bx:g} {by:g}"  # level until the next point


def test_long_journals_are_thinned(workdir):
    rng = np.random.default_rng(0)
    entries = [_facts(SPACE.sample(rng), 26 + rng.uniform()) for _ in range(50)] * 60
    _write_lines(workdir / "search" / "journal.jsonl", entries)
    text = page.render(workdir)
    assert len(text) < 3_000_000
    assert f"{len({str(entry['codes']) for entry in entries})} networks" in text


def test_settings_of_today_are_all_shown(workdir):
    shown = _Page(page.render(workdir)).sections["made"]
    for field in dataclasses.fields(TrainSettings):
        assert field.name in shown


def test_latencies_are_shown_wherever_a_run_measured_them(workdir):
    (workdir / "benchmark.json").unlink()
    missing = "This run measured no latency"
    assert missing in page.render(workdir)
    entry = {"bytes": 2048, "max_abs_diff": None, "psnr_diff": None, "ok": True, "latency_ms": {"1": 7.5, "2": 4.5}}
    write_json(workdir / "export" / "export.json", {"model.onnx": entry})
    shown = _Page(page.render(workdir))
    assert missing not in shown.sections["benchmark"]
    for word in ("export/model.onnx", "1 thread", "7.5", "2 threads", "4.5"):
        assert word in shown.sections["benchmark"]
    assert "not run here" in shown.sections["files"]
    write_json(workdir / "export" / "export.json", {})
    described = {"machine": "a phone", "runtime": "litert", "runtime_version": "2", "threads": 2, "input_size": "9x9"}
    table = {**described, "date": "2026-11-29", "frame": 4.0, "blocks": {"a": 3.0, "b": 5.0}}
    write_json(workdir / "latency-litert-t2-9x9.json", table)
    for word in ("a phone", "3 to 5"):
        assert word in _Page(page.render(workdir)).sections["benchmark"]
    fitted = {**described, "version": 2, "date": "2026-11-29", "scale": 4, "networks": {"a": 2.0, "b": 9.0}}
    write_json(workdir / "latency-litert-t2-9x9.json", fitted)
    assert "2 to 9" in _Page(page.render(workdir)).sections["benchmark"]


def test_every_file_that_can_be_exported_has_its_use():
    assert {form.file.removesuffix("/1") for form in FORMS} == exported.USES.keys()


def test_a_latency_that_varied_says_so(workdir):
    entry = {"bytes": 2048, "max_abs_diff": None, "psnr_diff": None, "ok": True, "latency_ms": {"1": 7.5, "2": 4.5}}
    varied = {**entry, "latency_spread": {"1": 0.05, "2": 0.41}}
    write_json(workdir / "export" / "export.json", {"model.onnx": varied})
    models = {"model.tflite": {"threads": 2, "latency_ms": 7.125, "latency_spread": 0.3}}
    write_json(workdir / "benchmark.json", {"models": models})
    shown = _Page(page.render(workdir)).sections["benchmark"]
    assert "4.5 (varied by 41%)" in shown
    assert "7.125 (varied by 30%)" in shown
    assert "7.5 (" not in shown


def test_a_search_in_rungs_is_told_apart_by_rung_origin_and_dimension(workdir):
    rungs(workdir / "search")
    shown = " ".join(_Page(page.render(workdir)).sections["search"].split())
    assert "8 networks were trained alone, in 11 trainings" in shown
    assert re.search(r"100 steps8\d\d\.\d{3}\d\d\.\d{3} 400 steps3\d\d", shown)
    assert re.search(r"control: random4\d.* predicted4\d", shown)
    for title in ("By width", "By depth", "rung 1", "rung 2"):
        assert title in shown


@pytest.mark.parametrize(
    ("value", "text"), [(-1e-5, "0.0000"), (1e-9, "0.0000"), (-0.02431, "−0.0243"), (0.5, "+0.5000"), (None, "")]
)
def test_differences_that_round_to_nothing_have_no_sign(value, text):
    assert written.signed(value) == text
    assert written.signed(-0.004, 2) == "0.00"
    assert written.shown(-0.0) == "0"
