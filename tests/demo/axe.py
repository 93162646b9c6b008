"""axe-core, which looks for what keeps people out of a page: contrast, names, roles, areas that scroll."""

import functools
import json

import pytest
from chromium import Chromium

from srnas_tf.demo import bundle
from srnas_tf.errors import UserError

PACKAGE = bundle.Package(
    "axe-core-4.14.1.tgz",
    "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
"""Fetched once, and kept as the page's runtime is."""


@functools.cache
def _source() -> str:
    try:
        [content] = bundle.files_of(PACKAGE, ["axe.min.js"]).values()
    except UserError as error:
        pytest.skip(str(error))
    return content.decode()


def violations(browser: Chromium) -> list[str]:
    """What of its rules the page breaks as it stands, best practices among them: the rule and the first places."""
    browser.run(f"{_source()}; 0")
    found = json.loads(browser.run("axe.run().then(({violations}) => JSON.stringify(violations))"))
    return [f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in found]
