"""Recipes, networks and spaces: every count of the thesis, and text forms without loss."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from figures import BLOCKS, DYNAMIC3, DYNAMIC4, IMDN_GMACS, INITIAL, INITIAL_COLUMNS, ROWS, SYSTEMS
from hypothesis import assume, given
from hypothesis import strategies as st

from srnas_tf.arch import ATTENTIONS, SPACES, Block, Network, Space, imdn
from srnas_tf.arch.block import ACTIVATIONS, ENDINGS, LETTERS, plan
from srnas_tf.arch.conv import CONVS, BlueprintConv, Conv, ExpandedConv, SelectiveConv
from srnas_tf.arch.describe import describe
from srnas_tf.arch.network import frame, imdn_of_size
from srnas_tf.errors import UserError


@pytest.mark.parametrize("recipe", INITIAL)
def test_initial_blocks(recipe):
    counts = [plan(Block(recipe, e, r, fusion_kernel=k), 64).params for e, r, k in INITIAL_COLUMNS]
    assert tuple(counts) == INITIAL[recipe]


@pytest.mark.parametrize("rate", DYNAMIC3)
def test_dynamic_blocks(rate):
    assert tuple(plan(choice, 64).params for choice in Space(rate=rate).blocks) == DYNAMIC3[rate]


def test_dynamic_blocks_of_four_stages():
    assert tuple(plan(choice, 64).params for choice in Space(stages=4).blocks) == DYNAMIC4


@pytest.mark.parametrize(("settings", "arch", "params"), ROWS)
def test_thesis_rows(settings, arch, params):
    assert Space(**settings).parse(arch).params == params


def test_rows_of_the_reference(shared):
    rows = json.loads((shared / "spec" / "thesis-rows.json").read_text("utf-8"))["rows"]
    assert len(rows) == len(ROWS)
    fields = {field.name for field in dataclasses.fields(Space)}
    for row in rows:
        space = Space(**{name: value for name, value in row.items() if name in fields})
        network = space.parse(row.get("recipe") or ",".join(map(str, row["arch"])))
        assert (space.supernet_params if row["counts"] == "supernet" else network.params) == row["params"], row["id"]


@pytest.mark.parametrize(("scale", "params"), list(zip((2, 3, 4), SYSTEMS["imdn"], strict=True)))
def test_imdn(scale, params):
    assert imdn(scale).params == params


def test_macs_of_imdn():
    assert round(imdn().macs() / 1e9, 3) == IMDN_GMACS
    assert round(imdn().macs(16 * 256 * 256) / 1e9, 2) == 46.52


def test_frame():
    assert frame(4, 64, 6).params == 66480 + 4096 * 6


def test_splits_take_the_current_width():
    widths = [(step.distilled, step.width) for step in plan(Block("SSSSS", "reduced"), 64).steps]
    assert widths == [(16, 48), (12, 36), (9, 27), (6, 21), (5, 16)]
    widths = [(step.distilled, step.width) for step in plan(Block("SSS", "reduced", 0.125), 64).steps]
    assert widths == [(8, 56), (7, 49), (6, 43)]


def test_paths_of_the_spaces():
    recipes = {name: [choice.recipe for choice in Space(space=name).blocks] for name in SPACES}
    assert recipes["imdn"] == ["SCSCS"]
    assert recipes["initial"] == ["SSSS", "SSS", "SSCS", "SCSS", "SCS"]
    assert recipes["dynamic"] == ["SSSS", "SSSC", "SSCS", "SSCC", "SCSS", "SCSC", "SCCS", "SCCC"]
    twenty = recipes["initial20"]
    assert len(set(twenty)) == 20
    for path, skip1, skip2 in itertools.product(range(5), range(2), range(2)):
        letters = twenty[4 * path + 2 * skip1 + skip2]
        assert letters.replace("R", "S") == recipes["initial"][path]
        assert [letter == "R" for letter in letters if letter in "SR"][:2] == [skip1, skip2]
        assert letters.count("R") == skip1 + skip2


@pytest.mark.parametrize("stages", range(1, 9))
def test_any_number_of_stages(stages):
    space = Space(stages=stages)
    assert len({choice.recipe for choice in space.blocks}) == 2**stages
    assert all(bin(code).count("1") == choice.recipe.count("C") for code, choice in enumerate(space.blocks))


@pytest.mark.parametrize("name", SPACES)
def test_codes_networks_and_text_round_trip(name):
    space = Space(space=name, skip_first=name == "dynamic", depth=5)
    rng = np.random.default_rng(1)
    for _ in range(50):
        codes = space.sample(rng)
        network = space.network(codes)
        assert space.codes(network) == codes
        assert Network.parse(str(network)) == network
        assert space.parse(",".join(map(str, codes))) == network
        assert space.parse(network.recipes) == network


def test_text_of_a_mixed_network():
    blocks = (Block("SCSCS"), Block("SSC", "full", 0.125), Block("RK", "reduced", 0.33, 5, 1))
    blocks += (Block("SC", "full", 1e-2, (1, 3), 1), Block("SC", kernel=5, conv="blueprint"))
    network = Network(3, 128, blocks)
    assert str(network) == (
        "x3:w128:imdn:r0.25:k3:f1:SCSCS-SSC+full+r0.125+f3-RK+reduced+r0.33+k5-SC+full+r0.01+k1.3-SC+b5"
    )
    assert Network.parse(str(network)) == network


def test_one_recipe_stands_for_all_blocks():
    assert Space(depth=3).parse("SCCC").recipes == "SCCC-SCCC-SCCC"


def test_network_outside_the_space_has_no_codes():
    space = Space()
    assert space.codes(space.parse("SCSCS")) is None
    assert space.codes(imdn()) is None
    assert space.codes(Space(depth=5).network((0,) * 5)) is None


def test_sampling_is_uniform():
    space = Space(depth=2, stages=2)
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(16000)]
    counts = np.array([drawn.count(codes) for codes in itertools.product(range(4), repeat=2)])
    # Chi-squared with 15 degrees of freedom: 37.7 is passed once in a thousand.
    assert np.sum((counts - 1000) ** 2 / 1000) < 37.7


def test_smallest():
    space = Space(depth=2, stages=2)
    everything = [space.network(codes).params for codes in itertools.product(range(4), repeat=2)]
    assert space.smallest(lambda network: network.params).params == min(everything)


def test_baseline_is_no_smaller_than_what_it_is_compared_with():
    for params in (20_000, 54_321, 700_000):
        network = imdn_of_size(params, 4, 4)
        assert network.params >= params > imdn(4, network.width - 1, 4).params


@pytest.mark.parametrize(
    "text",
    ["", "9,0", "-1,0", "0", "0,0,0", "0,x", "SXS", "scs-scs", "SCS-SCS-SCS", "x4", "x5:w64:imdn:SCSCS", "SCS+q"],
)
def test_bad_architectures(text):
    with pytest.raises(UserError, match=r"--arch|architecture|--scale"):
        Space(depth=2).parse(text)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sharing": "ends", "ending": "full"}, "--ending=reduced"),
        ({"depth": 0}, "--depth"),
        ({"width": 0}, "--width"),
        ({"scale": 5}, "--scale"),
        ({"stages": 0}, "--stages"),
        ({"stages": 17}, "--stages"),
        ({"space": "initial20", "skip_first": True}, "--skip_first"),
        ({"rate": 1.5}, "rate"),
        ({"width": 3}, "--width"),
        ({"kernel": 2}, "kernel"),
        ({"kernel": "1,2"}, "kernel"),
        ({"kernel": "three"}, "--kernel"),
        ({"kernel": "1,3", "conv": "blueprint"}, "one kernel size"),
        ({"conv": "dense"}, "--conv"),
        ({"stem": "strided"}, "--stem"),
    ],
)
def test_bad_spaces(settings, named):
    with pytest.raises(UserError, match=named):
        Space(**settings)


def test_selective_kernels():
    space = Space(space="imdn", kernel="1,3")
    block = space.blocks[0]
    assert block.kernel == (1, 3)
    unit = plan(block, 64).first
    convs, attention = 64 * 64 * (1 + 9) + 2 * 64, 64 * 32 + 32 + 2 * (32 * 64 + 64)
    assert unit.params == convs + attention
    assert unit.macs(100) == 100 * 64 * 64 * 10 + 3 * 64 * 32
    assert space.parse("SCSCS").params > imdn().params


def test_blueprint_convolutions():
    block = Block("SCSCS", conv="blueprint")
    convs = [(32, 32), (24, 32), (24, 32), (24, 8)]
    separable = sum(in_channels * out_channels + 10 * out_channels for in_channels, out_channels in convs)
    attention, fusion = 32 * 2 + 2 + 2 * 32 + 32, 32 * 32 + 32
    assert plan(block, 32).params == separable + attention + fusion
    light = Network(4, 32, (block,) * 3, "light")
    conv_after_body = 32 * 32 + 10 * 32
    frame = (27 + 1) * 32 + (3 * 32 + 1) * 32 + conv_after_body + (9 * 32 + 1) * 48
    assert light.params == frame + 3 * plan(block, 32).params
    assert str(light).startswith("x4:w32:light:imdn:r0.25:b3:f1:SCSCS-")
    thin = Network(4, 32, (block,) * 3, "thin")
    assert light.params - thin.params == (9 * 32 + 1) * 48 - (32 * 48 + 10 * 48)


def test_taps_without_attention():
    """Formulas by hand: three 1x1 convs take 8 of 32 channels each, nothing is split off, and no attention follows."""
    block = Block("TCTCT", "bare")
    convs = 3 * (9 * 32 + 1) * 32 + (9 * 32 + 1) * 8
    taps, fusion = 3 * (32 + 1) * 8, (32 + 1) * 32
    assert plan(block, 32).params == convs + taps + fusion
    assert plan(block, 32).macs(10) == 10 * (3 * 9 * 32 * 32 + 9 * 32 * 8 + 3 * 32 * 8 + 32 * 32)
    assert plan(Block("SCSCS"), 32).params - plan(Block("SCSCS", "bare"), 32).params == 32 * 2 + 2 + 2 * 32 + 32
    expanded = Block("TC", "bare", conv="expanded")
    assert plan(expanded, 32).trainable_params - plan(expanded.deployed, 32).params == sum(
        in_channels * 2 * in_channels + kernel**2 * 2 * in_channels * out_channels
        for in_channels, out_channels, kernel in [(32, 32, 3), (32, 8, 1), (32, 32, 3), (32, 8, 3)]
    )
    tapped = Space(space="tapped", stages=2, width=32)
    assert [choice.recipe for choice in tapped.blocks] == ["T", "TC", "TCT", "TCC", "TCCT", "TCTC", "TCTCT"]
    assert (tapped.ending, tapped.conv, tapped.stem) == (("bare",), ("blueprint",), ("thin",))


def test_expanded_convolutions_cost_what_they_fold_to():
    expanded = Network(4, 32, (Block("SCSCS", conv="expanded_blueprint"), Block("SC", conv="expanded")), "expanded")
    used = Network(4, 32, (Block("SCSCS", conv="blueprint"), Block("SC")), "thin")
    assert expanded.deployed == used == used.deployed
    assert (expanded.params, expanded.macs()) == (used.params, used.macs()) == (used.trainable_params, used.macs())
    mixing = [(32, 32, 1), (24, 32, 1), (24, 32, 1), (24, 8, 1), (32, 32, 3), (24, 32, 3), (32, 8, 3)]
    mixing += [(32, 32, 1), (32, 48, 1)]  # after the blocks
    rows = sum(
        in_channels * 2 * in_channels + size**2 * 2 * in_channels * out_channels
        for in_channels, out_channels, size in mixing
    )
    assert expanded.trainable_params == expanded.params + rows


def test_attention_is_a_field_of_its_own():
    """What an ending has of itself is not said; anything else is, and old texts stay as they are."""
    assert [Block("SC", ending).attention for ending in ENDINGS] == ["cca", "none", "cca", "cca", "none"]
    for block, text in [
        (Block("SC", "bare", attention="none"), "SC+bare+r0.25+k3+f1"),
        (Block("SC", "bare", attention="cca"), "SC+bare+r0.25+k3+f1+a.cca"),
        (Block("SC", attention="none", inner=0.5), "SC+imdn+r0.25+k3+f1+a.none+i0.5"),
    ]:
        assert str(block) == text
        assert Block.parse(text) == block
    blocks = (Block("TC", "bare", attention="cca"), Block("SC"), Block("TC", "bare"), Block("T", "bare", inner=0.5))
    text = "x4:w32:bare:r0.25:k3:f1:a.cca:TC-SC+imdn-TC+a.none-T+a.none+i0.5"
    assert str(Network(4, 32, blocks)) == text
    assert Network.parse(text).blocks == blocks
    attends = plan(Block("TCTCT", "bare", attention="cca"), 32).params - plan(Block("TCTCT", "bare"), 32).params
    assert attends == 32 * 2 + 2 + 2 * 32 + 32
    assert plan(Block("SCSCS", attention="none"), 32) == plan(Block("SCSCS", "bare"), 32)


def test_a_block_may_be_narrower_within():
    """Formulas by hand: at width 32 half of it, 16 channels, of which a tap or a split takes 4."""
    block = Block("TC", "bare", inner=0.5)
    convs = (9 * 32 + 1) * 16 + (9 * 16 + 1) * 16 + (9 * 16 + 1) * 4
    assert plan(block, 32).params == convs + (16 + 1) * 4 + (8 + 1) * 32
    assert plan(block, 32).macs(10) == 10 * (9 * 32 * 16 + 9 * 16 * 16 + 9 * 16 * 4 + 16 * 4 + 8 * 32)
    reduced = plan(Block("SC", "reduced", inner=0.5), 32)
    assert [step.distilled for step in reduced.steps] == [4, 0]
    assert (reduced.last.out_channels, reduced.fusion.in_channels, reduced.fusion.out_channels) == (12, 16, 32)
    assert plan(Block("SCSCS", inner=2.0), 16).first.out_channels == 32
    assert plan(Block("C", "full", inner=0.37), 33).first.out_channels == 12


@pytest.mark.parametrize("inner", [0, -1, 9, float("nan"), 0.01, 0.1])
def test_inner_widths_that_leave_nothing(inner):
    with pytest.raises(UserError, match="--inner"):
        plan(Block("SC", inner=inner), 16)


def test_unknown_attention():
    with pytest.raises(UserError, match="--attention=self"):
        Block.parse("SC+a.self")


SEPARABLE = 48 * 48 + 10 * 48
ESA = (48 + 1) * 16 + (16 + 1) * 16 + 2 * (9 * 16 + 1) * 16 + (16 + 1) * 48
LKA = (48 + 1) * 48 + 2 * (25 + 1) * 48
ATTENDED = {"none": 0, "cca": 36 * 2 + 2 + 2 * 36 + 36, "esa": ESA, "lka": LKA, "gate": 0}
"""By hand: the parameters that each attention adds to `TCT`, ending `bare`, at width 48. CCA sees 36 channels, the
others the network's 48."""


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_what_attention_costs(attention):
    plain, block = Block("TCT", "bare"), Block("TCT", "bare", attention=attention)
    assert plan(block, 48).params - plan(plain, 48).params == ATTENDED[attention]
    macs = {
        "cca": 2 * 36 * 2,  # once an image
        "esa": 3600 * (48 * 16 + 16 * 16 + 16 * 48) + (900 + 100) * 9 * 16 * 16,
        "lka": 3600 * (48 * 48 + 2 * 25 * 48),
    }
    assert plan(block, 48).macs(3600) - plan(plain, 48).macs(3600) == macs.get(attention, 0)


def test_a_plain_convolution_among_separable_ones():
    """The letter P: 3x3 and of all channels, whatever the others are; trained as a sum where they are."""
    assert plan(Block("P", "full", conv="blueprint"), 48).steps[0].trunk == (Conv(48, 48),)
    assert plan(Block("P", "full", conv="reparam_blueprint"), 48).steps[0].trunk[0].deployed == Conv(48, 48)
    with_p, with_c = (plan(Block(letter, "full", conv="blueprint"), 48) for letter in "PC")
    assert with_p.params - with_c.params == (9 * 48 + 1) * 48 - SEPARABLE


def test_smrn_as_a_text():
    """SMRN has 165344 parameters (NTIRE 2024); here nine convolutions have a bias that it has not."""
    smrn = Network.parse("x4:w48:row:inside:r0.25:b3:f1:a.esa:act.gelu:P-P-P-P")
    assert smrn.blocks == (Block("P", "inside", conv="blueprint", attention="esa", activation="gelu"),) * 4
    block = 2 * SEPARABLE + (9 * 48 + 1) * 48 + (48 + 1) * 48 + ESA
    assert smrn.params == 28 * 48 + 4 * block + SEPARABLE + (9 * 48 + 1) * 48 == 165344 + 9 * 48
    assert round(smrn.macs() / 1e9, 2) == 8.56
    assert smrn.frame.aggregate is None


@pytest.mark.parametrize("stem", ["row", "thin_row", "expanded_row"])
def test_blocks_in_a_row_are_not_brought_together(stem):
    blocks, together = (Block("TC", "bare"),) * 3, {"row": "light"}.get(stem, stem.removesuffix("_row"))
    rows, concatenated = Network(4, 32, blocks, stem), Network(4, 32, blocks, together)
    assert concatenated.params - rows.params == (3 * 32 + 1) * 32
    assert concatenated.macs(1600) - rows.macs(1600) == 100 * 3 * 32 * 32
    assert Network.parse(str(rows)) == rows
    assert rows.deployed.stem == ("thin_row" if stem == "expanded_row" else stem)


def test_reparameterized_convolutions_cost_what_they_fold_to():
    """LKDN's: the identities, and a factor a channel. With the way through twice as many channels: both."""
    counts = {kind: plan(Block("TC", "bare", conv=kind), 32) for kind in CONVS if "blueprint" in kind}
    assert {p.params for p in counts.values()} == {counts["blueprint"].params}
    rows = 2 * 32 * (32 + 32) * 2 + 2 * 32 * (32 + 8) * 2
    factors = 32 + 32 + 8
    added = {kind: p.trainable_params - p.params for kind, p in counts.items()}
    assert added["reparam_blueprint"] == factors
    assert added["expanded_blueprint"] == rows
    assert added["expanded_reparam_blueprint"] == rows + factors


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_cost_nothing_and_are_said(activation):
    block = Block("SCSCS", activation=activation)
    assert plan(block, 64) == plan(Block("SCSCS"), 64)
    assert str(block) == "SCSCS+imdn+r0.25+k3+f1" + ("" if activation == "leaky" else f"+act.{activation}")
    with pytest.raises(UserError, match="--activation=relu"):
        Block.parse("SC+act.relu")


def test_describe():
    space = Space()
    described = describe(space, space.network((7, 1, 7, 7, 5, 7)))
    assert described["codes"] == [7, 1, 7, 7, 5, 7]
    assert described["params"] == 1159811 == sum(b["params"] for b in described["blocks"]) + 66480 + 4096 * 6
    assert described["supernet_params"] == 6418014
    assert [path["params"] for path in described["paths"]] == list(DYNAMIC3[0.25])
    pixels = 1280 * 720 // 16
    outside = frame(4, 64, 6).macs(pixels)
    assert described["macs"] == outside + sum(block["macs"] for block in described["blocks"])


WIDTHS = st.integers(1, 80)


@given(BLOCKS, WIDTHS)
def test_every_plan_adds_up(block, width):
    """What comes in goes somewhere: each conv takes what is there, the concatenation has all that was kept."""
    try:
        planned = plan(block, width)
    except UserError:
        assume(False)
    trunk = planned.first.out_channels
    inner = round(width * block.inner)
    assert (planned.first.in_channels, trunk) == (width, inner)
    kept = []
    for letter, step in zip(block.recipe, planned.steps, strict=True):
        assert bool(step.distilled) == LETTERS[letter].distils
        goes_on = trunk if step.tapped else trunk - step.distilled
        for conv in step.trunk:
            assert conv.in_channels == goes_on
            goes_on = conv.out_channels
        enters = trunk if step.tapped else step.distilled
        assert all((conv.in_channels, conv.out_channels) == (enters, step.distilled) for conv in step.branch)
        assert step.branch or not step.tapped
        assert step.width == goes_on >= 1
        trunk = step.width
        kept += [step.distilled] * LETTERS[letter].distils
    assert planned.last.in_channels == trunk
    concatenated = sum(kept) + planned.last.out_channels
    assert min([*kept, planned.last.out_channels]) >= 1
    if ENDINGS[block.ending].fills:
        assert concatenated == inner
    if planned.inside:
        assert planned.last.out_channels == width  # to which the block's input is added
    assert (planned.fusion.in_channels, planned.fusion.out_channels) == (concatenated, width)
    assert planned.attends == block.attention == (block.attention or ENDINGS[block.ending].attention)
    if block.attention == "cca":
        squeeze, excite = planned.attention
        assert (squeeze.in_channels, excite.out_channels) == (concatenated, concatenated)
        assert squeeze.out_channels == excite.in_channels == max(1, concatenated // 16)
    # A weight is used once a pixel, or once an image; a bias costs no multiplication.
    convs = [part for conv in (*planned.inner, *planned.ends) for part in _parts(conv)]
    uses = [1 if getattr(conv, "pooled", False) else 360 // getattr(conv, "shrunk", 1) ** 2 for conv in convs]
    assert all(
        conv.params - conv.macs(360) // used in (0, conv.out_channels) for conv, used in zip(convs, uses, strict=True)
    )
    assert planned.macs(360) == sum(conv.macs(360) for conv in convs)
    assert planned.params == sum(conv.params for conv in convs)


def _parts(conv):
    """The convolutions that one consists of."""
    if isinstance(conv, SelectiveConv):
        return (*conv.branches, conv.squeeze, *conv.excites)
    if isinstance(conv, ExpandedConv):
        return _parts(conv.deployed)
    return (conv.pointwise, conv.depthwise) if isinstance(conv, BlueprintConv) else (conv,)


@given(BLOCKS)
def test_text_of_any_block(block):
    assert Block.parse(str(block)) == block
    assert Block.parse(block.recipe, block.options) == block


@given(st.sampled_from([2, 3, 4]), WIDTHS, st.lists(BLOCKS, min_size=1, max_size=5))
def test_text_of_any_network(scale, width, blocks):
    network = Network(scale, width, tuple(blocks))
    assert Network.parse(str(network)) == network
    assert Space().parse(str(network)) == network


SPACES_OF_ALL_KINDS = st.builds(
    Space,
    space=st.sampled_from(sorted(SPACES)),
    stages=st.integers(1, 6),
    depth=st.integers(1, 8),
    width=st.integers(16, 64),
    rate=st.sampled_from([0.125, 0.25, 0.3]),
)


@given(SPACES_OF_ALL_KINDS, st.data())
def test_codes_of_any_space(space, data):
    codes = data.draw(st.tuples(*(st.integers(0, count - 1) for count in space.cardinalities)))
    network = space.network(codes)
    assert space.codes(network) == codes
    assert space.parse(",".join(map(str, codes))) == network
    assert space.parse(network.recipes) == network
    assert space.codes(space.parse(str(network))) == codes
    least, most = (pick(lambda each: each.params).params for pick in (space.smallest, space.largest))
    assert least <= network.params <= most
    assert network.params == network.frame.params + sum(plan(block, network.width).params for block in network.blocks)
    with pytest.raises(UserError, match="outside"):
        space.network((*codes[:-1], space.cardinalities[-1]))
