"""The thesis' tables: every row as it is built here, and measured figures beside the printed ones."""

import dataclasses
import json
import re
import subprocess
import sys
from datetime import date

import pytest
import tensorflow as tf
from conftest import ROOT
from test_flags import FLAGFILES

from srnas_tf import arch, model_file, nets
from srnas_tf.modes import evaluate
from srnas_tf.nets import files
from srnas_tf.report import results, thesis

TABLES = thesis.load()
ROWS = [(number, row) for number, table in TABLES.items() for row in table.rows]
LENGTHS = {"4.1": 39, "4.2": 3, "4.3": 7, "4.4": 13, "4.5": 7}
ZOO = ("bicubic", "srcnn", "fsrcnn", "vdsr", "drcn", "lapsrn", "drrn", "memnet")
ZOO += ("idn", "edsr_baseline", "srmdnf", "carn")
IMDN = TABLES["4.2"].rows[2].arch
TINY = "x2:w8:imdn:r0.25:k3:f1:SCSCS"

# Printed counts that do not fit the network; the notes say why.
MISCOUNTED = {"DRCN [16]": 3, "MemNet [24]": 3, "EDSR-baseline [20]": 1, "Vanilla": 2, "Dynamic SuperNet (Best)": 1}


@pytest.fixture
def result():
    """A result of IMDN x4; its figures are no measurement."""
    sets = {"Set5": {"psnr": 32.19876, "ssim": 0.89476, "images": 5}}
    return results.Result(IMDN, 715176, "2026-11-23", "DIV2K_quarter/train", 9000, 3, "cosine", "2 cores, a CPU", sets)


def cells(stdout: str) -> list[list[str]]:
    """The Markdown table's lines, without the rule below its headings."""
    found = [re.split(r" *(?<!\\)\| *", line)[1:-1] for line in stdout.splitlines() if line.startswith("|")]
    return [found[0], *found[2:]]


@pytest.mark.parametrize("number", TABLES)
def test_tables_are_whole(number):
    table = TABLES[number]
    assert len(table.rows) == LENGTHS[number]
    figures = re.compile(r"\d\d\.\d\d / 0\.\d{4}" if number == "4.1" else r"\d\d\.\d{1,4}|-")
    for row in table.rows:
        assert row.printed.keys() == set(list(table.columns)[1:])
        assert row.arch is None or row.arch.startswith(f"x{row.scale}:")
        for key in {"Set5", "Set14", "BSD100", "Urban100", "Manga109", "claimed", "scratch"} & row.printed.keys():
            assert figures.fullmatch(row.printed[key]), row


def test_table_4_1_names_each_system_at_each_scale():
    archs = [row.arch for row in TABLES["4.1"].rows]
    imdn = [row.arch for row in TABLES["4.2"].rows]
    assert archs == [text for s in (2, 3, 4) for text in (*(f"x{s}:{name}" for name in ZOO), imdn[s - 2])]


def test_every_row_but_one_is_built_here():
    assert [row.label for _, row in ROWS if row.arch is None] == ["Trilevel NAS [25] (Claimed)"]


@pytest.mark.parametrize("path", [path for path in FLAGFILES if path.stem.startswith("table")], ids=lambda p: p.stem)
def test_a_flagfile_belongs_to_one_row(invoke, path):
    [(number, row)] = [(number, row) for number, row in ROWS if row.flagfile == path.name]
    assert path.stem.startswith(f"table{number}_".replace(".", "_"))
    described = json.loads(invoke("--mode=describe", f"--flagfile={path}")[1])
    assert (described["arch"], described["params"]) == (row.arch, row.params)
    assert row.supernet_params in (None, described["supernet_params"])


def test_flagfiles_of_rows_are_there():
    assert {row.flagfile for _, row in ROWS} - {None} <= {path.name for path in FLAGFILES}


def test_one_network_has_one_count():
    assert len({(row.arch, row.params) for _, row in ROWS}) == len({row.arch for _, row in ROWS})


def test_printed_counts_are_exact_counts_rounded():
    odd: dict[str, int] = {}
    for _, row in ROWS:
        printed = row.printed.get("params", "-").replace(",", "").replace("K", "000")
        if row.params is None or printed == "-":
            continue
        exact = round(row.params, -3) if printed.endswith("000") else row.params
        if int(printed) != exact:
            assert row.note
            assert row.supernet_params in (None, int(printed))
            odd[row.label] = odd.get(row.label, 0) + 1
    assert odd == MISCOUNTED


def test_all_tables_without_results(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "DEFAULT_FOLDER", tmp_path / "nowhere")
    status, stdout, stderr = invoke("--mode=tables")
    assert (status, stderr) == (0, "")
    for number, table in TABLES.items():
        assert f"## Table {number}: {table.caption}\n" in stdout
    assert sum(line.startswith("|") for line in stdout.splitlines()) == sum(LENGTHS.values()) + 2 * len(TABLES)
    assert " here |" not in stdout
    for _, row in ROWS:
        assert (row.note or "") in stdout


@pytest.mark.parametrize("number", TABLES)
def test_a_table_has_its_rows_and_lines_up(invoke, tmp_path, number):
    status, stdout, _ = invoke("--mode=tables", f"--table={number}", f"--results={tmp_path}")
    assert status == 0
    lines = cells(stdout)
    assert [line[0] for line in lines[1:]] == [row.label for row in TABLES[number].rows]
    assert len({len(line) for line in stdout.splitlines() if line.startswith("|")}) == 1


def test_results_stand_beside_and_below(invoke, tmp_path, result):
    further = {"DIV2K": {"psnr": None, "ssim": 1.0, "images": 1}}
    other = dataclasses.replace(result, data=None, steps=None, seed=None, note="a|b", sets=result.sets | further)
    results.write(tmp_path / "1.json", result)
    results.write(tmp_path / "2.json", other)
    shown = {}
    for number in ("4.1", "4.3"):
        lines = cells(invoke("--mode=tables", f"--table={number}", f"--results={tmp_path}")[1])
        assert lines[0][-3:] == ["Set5 here", "DIV2K here", "how"]
        [i] = [i for i, line in enumerate(lines) if line[-1].endswith("cosine")]
        printed = len(lines[0]) - 4
        assert lines[i + 1][: printed + 1] == ["''"] + [""] * printed
        assert all(set(line[-3:]) == {""} for line in lines[1:i] + lines[i + 2 :])
        shown[number] = lines[i][0], lines[i][-3:], lines[i + 1][-3:]
    how = "2026-11-23, DIV2K_quarter/train, 9000 steps, seed 3, cosine"
    below = "2026-11-23, a\\|b"
    assert shown["4.1"] == (
        "IMDN [12]",
        ["32.20 / 0.8948", "", how],
        ["32.20 / 0.8948", "inf / 1.0000", below],
    )
    assert shown["4.3"] == ("Vanilla", ["32.1988", "", how], ["32.1988", "inf", below])


def test_results_are_read_as_they_were_written(tmp_path, result):
    results.write(tmp_path / "r.json", result)
    assert results.read(tmp_path / "r.json") == result


BROKEN = {
    "no JSON": "{",
    "a list": "[]",
    "a field too few": {"seed": ...},
    "a field too many": {"host": "x"},
    "a text for a number": {"params": "715K"},
    "no sets": {"sets": []},
    "a figure too few": {"sets": {"Set5": {"psnr": 32.2}}},
    "a figure that is none": {"sets": {"Set5": {"psnr": "32.2", "ssim": 0.9, "images": 5}}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_result_is_named(invoke, tmp_path, result, case):
    change = BROKEN[case]
    if isinstance(change, dict):
        changed = dataclasses.asdict(result) | change
        change = json.dumps({name: value for name, value in changed.items() if value is not ...})
    (tmp_path / "broken.json").write_text(change)
    status, stdout, stderr = invoke("--mode=tables", f"--results={tmp_path}")
    assert (status, stdout) == (2, "")
    [message] = stderr.splitlines()
    assert str(tmp_path / "broken.json") in message


@pytest.mark.parametrize("flag", ["--table=4.9", "--results=nowhere"])
def test_mistakes(invoke, flag):
    status, stdout, stderr = invoke("--mode=tables", flag)
    assert (status, stdout) == (2, "")
    [message] = stderr.splitlines()
    assert flag in message


def test_tables_need_no_tensorflow():
    script = "import sys; from srnas_tf import run; assert run.main(['', '--mode=tables']) == 0; "
    script += "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True)


@pytest.fixture
def model(tmp_path):
    """A network of a few weights that says it was trained."""
    settings = {"steps": 40, "seed": 2, "batch": 4, "patch": 8, "schedule": "cosine", "learning_rate": 2e-4}
    provenance = {**settings, "data": "/home/someone/photographs/mine/train,photos,/alone"}
    files.save(nets.SRNet(TINY, provenance=provenance), tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_model_files_are_read_without_being_built(model, tmp_path):
    network, provenance = model_file.read(model)
    assert (network, provenance["steps"]) == (TINY, 40)
    files.save(nets.SRNet(TINY), tmp_path / "untold.keras")
    assert model_file.read(tmp_path / "untold.keras") == (TINY, {})


def test_a_measurement_is_recorded_and_shown(invoke, tmp_path, model, photographs, monkeypatch):
    record = tmp_path / "results" / "tiny.json"
    arguments = ("--mode=evaluate", f"--model={model}", f"--data={photographs}", f"--record={record}")
    for _ in range(2):  # the same network may be measured again
        status, _, stderr = invoke(*arguments)
        assert status == 0, stderr
    written = json.loads(record.read_text())
    assert written["sets"] == json.loads((tmp_path / "evaluate.json").read_text())
    assert written["machine"] == evaluate.machine()
    assert str(tmp_path) not in record.read_text()
    assert {name: written[name] for name in ("arch", "params", "date", "data", "steps", "seed", "note")} == {
        "arch": TINY,
        "params": nets.SRNet(TINY).count_params(),
        "date": date.today().isoformat(),
        "data": "mine/train,photos,alone",
        "steps": 40,
        "seed": 2,
        "note": "4 patches of 8 x 8 a step, cosine from 0.0002",
    }
    row = dataclasses.replace(TABLES["4.2"].rows[0], arch=TINY)
    monkeypatch.setattr(thesis, "load", lambda: {"4.2": dataclasses.replace(TABLES["4.2"], rows=(row,))})
    heads, line = cells(invoke("--mode=tables", f"--results={record.parent}")[1])
    assert heads[-2:] == ["photographs here", "how"]
    assert line[-2] == f"{written['sets']['photographs']['psnr']:.2f}"
    assert line[-1] == f"{written['date']}, mine/train,photos,alone, 40 steps, seed 2, {written['note']}"


def test_what_cannot_be_recorded_is_refused_first(invoke, tmp_path, model, photographs, result):
    (tmp_path / "other.onnx").write_bytes(b"no archive")
    (tmp_path / "mine.json").write_text("{}")
    results.write(tmp_path / "imdn.json", result)
    kept = (tmp_path / "imdn.json").read_bytes()
    refused = {
        "new.json": ("other.onnx", "other.onnx"),
        "new.txt": ("model.keras", "new.txt"),
        "mine.json": ("model.keras", "mine.json"),
        "imdn.json": ("model.keras", IMDN),
    }
    for record, (name, named) in refused.items():
        flags = (f"--model={tmp_path / name}", f"--data={photographs}", f"--record={tmp_path / record}")
        status, stdout, stderr = invoke("--mode=evaluate", *flags)
        assert (status, stdout) == (2, "")
        [message] = stderr.splitlines()
        assert named in message
    assert not (tmp_path / "evaluate.json").exists()
    assert (tmp_path / "imdn.json").read_bytes() == kept


def test_provenance_of_imported_and_unknown_weights():
    imported = results.result_of("x4:carn", 1, {"imported": "IMDN_x4.pth"}, "", {})
    assert (imported.note, imported.data, imported.steps) == ("weights imported from IMDN_x4.pth", None, None)
    unknown = results.result_of("x4:carn", 1, {"data": ["photos"], "steps": "many"}, "", {})
    assert (unknown.note, unknown.data, unknown.steps) == ("", None, None)


def test_the_machine_is_named_with_its_accelerators(monkeypatch):
    assert re.match(r"\d+ cores, .+", evaluate.machine())
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "an accelerator"})
    assert evaluate.machine().endswith(", an accelerator")


def test_committed_results_are_sound():
    counts = {row.arch: row.params for _, row in ROWS}
    for result in results.read_folder(results.DEFAULT_FOLDER):
        assert result.params == counts.get(result.arch, result.params)
        assert not (result.data or "").startswith("/")


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_networks_of_that_many_parameters(number):
    for row in TABLES[number].rows:
        if row.arch:
            network = arch.parse(row.arch)
            assert (network.params, network.scale) == (row.params, row.scale)
