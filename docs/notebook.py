"""The notebook: `python -m docs.notebook` runs it and keeps in it what it showed."""

from pathlib import Path

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parent / "by-doing.ipynb"


def read() -> nbformat.NotebookNode:
    """The notebook as it is committed."""
    return nbformat.read(NOTEBOOK, as_version=4)


def run(folder: Path) -> nbformat.NotebookNode:
    """The notebook with what it shows now.

    Args:
        folder: the current one of its process.

    Raises:
        CellExecutionError: where a cell fails.
    """
    notebook = read()
    where = {"metadata": {"path": str(folder)}}
    # Times would be other ones in every run, and printed text falls into pieces by chance.
    client = nbclient.NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=where)
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:  # progress, where a machine is slow
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = nbformat.from_dict({"kernelspec": notebook.metadata.kernelspec})
    return notebook


if __name__ == "__main__":
    nbformat.write(run(NOTEBOOK.parent.parent), NOTEBOOK)
