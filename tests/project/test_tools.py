"""The tools that are run by hand: what they say of the code is still so."""

import mutations
import pytest
from conftest import ROOT


@pytest.mark.parametrize("bug", mutations.BUGS, ids=lambda bug: f"{bug.file}: {bug.old.strip()[:40]}")
def test_a_seeded_bug_has_a_place_in_the_code(bug):
    assert (ROOT / "srnas_tf" / bug.file).read_text("utf-8").count(bug.old) == 1
    assert (ROOT / "tests" / bug.tests[0]).exists()
