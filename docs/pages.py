"""The documents of the repository: what they link to, and the site that is made of them (`make docs`).

`python -m docs.pages` lays the Markdown files, what they show, the notebook, and a page of reference for each room of
the package out in `build/pages`, in the folders where they are in the repository, so that links hold in both places.
`mkdocs.yml` says how a site is made of that.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "srnas_tf"
STAGED = ROOT / "build" / "pages"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
"""Packages: each has a page of reference; the modules beside them share one."""
NO_DOCUMENTS = {"build", "dist", "runs", "results", "node_modules"}
PARSER = MarkdownIt("commonmark").enable("table")
IN_HTML = re.compile(r'\b(?:src|srcset|href)="([^"]+)"')


class Link(NamedTuple):
    """A link within the repository.

    Attributes:
        target: the file or folder, absolute.
        anchor: the heading in it, or "".
    """

    target: Path
    anchor: str


def documents() -> list[Path]:
    """All Markdown files of the repository."""
    found = [path for path in ROOT.rglob("*.md") if path.is_file()]
    return sorted(path for path in found if not _hidden(path.relative_to(ROOT)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in NO_DOCUMENTS for part in path.parts[:-1])


def links(document: Path) -> Iterator[Link]:
    """What a document links to or shows, but for addresses on the net."""
    for address in _addresses(document.read_text("utf-8")):
        path, _, anchor = unquote(address).partition("#")
        if not re.match(r"[a-z][a-z0-9+.-]*:", path):
            yield Link((document.parent / path).resolve() if path else document.resolve(), anchor)


def _addresses(text: str) -> Iterator[str]:
    for token in PARSER.parse(text):
        for part in [token, *(token.children or [])]:
            address = part.attrs.get("href") or part.attrs.get("src")
            if address:
                yield str(address)
            if part.type in ("html_block", "html_inline"):
                yield from IN_HTML.findall(part.content)


def anchors(document: Path) -> set[str]:
    """The headings of a document as others link to them, as GitHub and the site name them."""
    tokens = PARSER.parse(document.read_text("utf-8"))
    headings = [tokens[i + 1] for i, token in enumerate(tokens) if token.type == "heading_open"]
    found: set[str] = set()
    for heading in headings:
        shown = "".join(part.content for part in heading.children or [] if part.type in ("text", "code_inline"))
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        count = sum(1 for other in found if re.fullmatch(re.escape(name) + r"(-\d+)?", other))
        found.add(f"{name}-{count}" if count else name)
    return found


def stage(to: Path = STAGED) -> None:
    """Lays out what the site is made of; what was there before is removed."""
    shutil.rmtree(to, ignore_errors=True)
    for document in documents():
        copy = to / document.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(document.read_text("utf-8").replace(".ipynb)", ".md)"), "utf-8")
        for shown in {link.target for link in links(document) if link.target.is_file()} - {*documents()}:
            copy = to / shown.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shown, copy)
    for notebook in (ROOT / "docs").glob("*.ipynb"):
        _stage_notebook(notebook, to / notebook.relative_to(ROOT).with_suffix(".md"))
    (to / "reference").mkdir()
    for room in ROOMS:
        modules = sorted(path for path in (PACKAGE / room).rglob("*.py") if path != PACKAGE / room / "__init__.py")
        _stage_reference(to / "reference" / f"{room}.md", room, _package(room), modules)
    lowest = sorted(path for path in PACKAGE.glob("*.py") if path.name != "__init__.py")
    _stage_reference(to / "reference" / "below.md", "below", "What all rooms share, and the front door.", lowest)


def _package(room: str) -> str:
    """What a package says of itself, and what is defined in its own file; what it names of its modules stands there."""
    gathers = "__all__" in (PACKAGE / room / "__init__.py").read_text("utf-8")
    return f"::: srnas_tf.{room}" + ("\n    options:\n      members: false" if gathers else "")


def _stage_reference(page: Path, title: str, about: str, modules: list[Path]) -> None:
    """A page with a section for each module."""
    sections = [f"# {title}", about]
    for module in modules:
        name = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        sections += [f"## {name.removeprefix(f'srnas_tf.{title}.').removeprefix('srnas_tf.')}", f"::: {name}"]
    page.write_text("\n\n".join(sections) + "\n", "utf-8")


def _stage_notebook(notebook: Path, page: Path) -> None:
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(str(notebook))
    page.write_text(text, "utf-8")
    for name, content in resources["outputs"].items():
        (page.parent / name).write_bytes(content)


if __name__ == "__main__":
    stage()
