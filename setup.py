"""Packaging of srnas_tf; tool settings are in pyproject.toml."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "srnas_tf/__init__.py").read_text("utf-8"))[1]

DOCS = [
    "markdown-it-py>=4,<5",
    "mkdocstrings-python>=2,<3",
    "nbconvert>=7.17,<8",
    "ruff>=0.14,<1",
    "zensical>=0.0.73,<0.1",
]
OPENVINO = ["openvino>=2026.2,<2027"]
PARETO = ["pymoo>=0.6.2,<0.7"]
RAY = ["ray>=2.50,<3"]


class SourceArchive(sdist):
    """With every file of the kits: setuptools looks into a folder once, and links lead to one folder by three names."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        walked = os.walk("export", followlinks=True)
        kits = {str(Path(home, name)) for home, _, names in walked for name in names if name.endswith(".py")}
        super().make_release_tree(base_dir, sorted({*files, *kits}))


setup(
    name="srnas_tf",
    version=VERSION,
    description="Architecture search for single-image super-resolution on Keras 3 and TensorFlow",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["srnas_tf", "srnas_tf.*"]),
    package_data={
        "srnas_tf": ["py.typed", "flagfiles/*.flags"],
        "srnas_tf.report": ["thesis.json", "page/*"],
        "srnas_tf.freeze": ["*.j2"],
        "srnas_tf.demo": ["page/*", "package-lock.json"],
        "srnas_tf.models": ["*.keras", "*.md", "x*/*", "x*/stages/*"],
    },
    cmdclass={"sdist": SourceArchive},
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.3,<3",
        "ai-edge-litert>=2.1,<3",
        "filelock>=4.2,<5",
        "h5py>=3.14,<4",
        "jinja2>=3.1,<4",
        "keras>=3.15,<4",
        "litert-quantizer>=0.11,<0.12",
        "matplotlib>=3.10,<4",
        "numpy>=2.2,<3",
        "onnx>=1.20,<2",
        "onnxruntime>=1.24,<2",
        "pillow>=13,<14",
        "pyvips[binary]>=3.2,<4",
        "rich>=14,<16",
        "scikit-image>=0.26,<1",
        "scipy>=1.17,<2",
        "tensorboard>=2.20,<3",
        "tensorflow>=2.21,<3",
        "tf2onnx>=1.17,<2",
    ],
    extras_require={
        "pareto": PARETO,
        "benchmarks": ["torch>=2.13,<3", *RAY],
        "coreml": ["coremltools>=9,<10"],
        "docs": DOCS,
        "heic": ["pillow-heif>=1.1,<2"],
        "ncnn": ["ncnn>=1.0.20260526,<2", "pnnx>=20260526,<20280000"],
        "openvino": OPENVINO,
        "ray": RAY,
        "serving": ["tensorflow-serving-api>=2.19,<3"],
        "test": [
            "hypothesis>=6.140,<7",
            "ipykernel>=7,<8",
            "mypy>=1.18,<3",
            "nbclient>=0.11,<1",
            "nbformat>=5.10,<6",
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "setuptools>=80",
            "websocket-client>=1.8,<2",
            *DOCS,
            *OPENVINO,
            *PARETO,
            *RAY,
        ],
    },
)
