"""What the thesis, papers and official weights say of networks, to the digit; and networks drawn for properties."""

from hypothesis import strategies as st

from srnas_tf.arch import ATTENTIONS, Block
from srnas_tf.arch.block import ACTIVATIONS, ENDINGS, LETTERS
from srnas_tf.arch.conv import CONVS

INITIAL = {
    "SSSS": (87470, 78426, 87470, 78426, 45658),
    "SSS": (91120, 81024, 91120, 81024, 48256),
    "SSCS": (139779, 132585, 123429, 103896, 71128),
    "SCSS": (133094, 123369, 124878, 108648, 75880),
    "SCS": (139716, 132453, 130996, 116004, 83236),
}
"""Parameters of a block at width 64 by its recipe: a column for each ending, rate and fusion kernel."""
INITIAL_COLUMNS = (("full", 0.125, 3), ("full", 0.25, 3), ("reduced", 0.125, 3), ("reduced", 0.25, 3))
INITIAL_COLUMNS += (("reduced", 0.25, 1),)
DYNAMIC3 = {
    0.25: (78426, 105631, 103896, 152936, 108648, 148324, 152932, 203700),
    0.125: (87470, 124079, 123429, 167925, 124878, 166772, 167924, 212924),
}
"""Parameters of the blocks of three stages at width 64, by their rate."""
DYNAMIC4 = (76756, 98713, 94815, 142559, 97836, 134488, 140824, 189864)
DYNAMIC4 += (104832, 134488, 136788, 185252, 145576, 185252, 189860, 240628)

ROWS = [
    ({"space": "imdn", "rate": 0.125, "kernel": 5}, "SCSCSK", 2333436),
    ({"space": "imdn"}, "SCSCS", 715176),
    ({"space": "imdn", "rate": 0.33}, "SCSK", 637848),
    ({"space": "imdn"}, "SCSCSK", 839880),
    ({"space": "imdn", "rate": 0.125}, "SCSCSK", 908028),
    ({"space": "imdn", "depth": 8}, "SCSCS", 931408),
    ({"space": "imdn", "depth": 10}, "SCSCS", 1147640),
    ({"space": "initial", "ending": "full", "rate": 0.125}, "3,2,4,4,4,2", 922856),
    ({"space": "initial", "ending": "full", "rate": 0.125, "depth": 8}, "4,3,4,2,2,3,4,2", 1203921),
    ({"space": "initial", "ending": "full", "depth": 8}, "4,4,4,4,3,2,1,1", 1047062),
    ({"space": "initial", "ending": "full", "depth": 10}, "4,4,4,4,3,2,2,2,2,0", 1369387),
    ({"space": "initial"}, "3,4,3,4,4,4", 772368),
    ({"space": "initial", "sharing": "ends"}, "3,4,2,2,4,4", 755508),
    ({"space": "initial", "depth": 8}, "3,3,4,4,4,3,4,4", 1005212),
    ({"space": "initial", "sharing": "ends", "fusion_kernel": 1}, "4,2,3,3,3,4", 556296),
    ({"space": "dynamic"}, "7,1,7,7,7,7", 1215187),
    ({"space": "dynamic"}, "7,5,7,7,7,7", 1257880),
    ({"space": "dynamic"}, "7,1,7,7,5,7", 1159811),
    ({"space": "dynamic", "stages": 4}, "11,7,12,7,13,13", 1172116),
]
"""Thesis, tables 4.3 to 4.5: settings, recipe or codes, parameters."""

SUPERNETS = [
    ({"space": "initial", "ending": "full", "rate": 0.125}, 3638130),
    ({"space": "initial", "ending": "full"}, 3378198),
    ({"space": "initial"}, 3019044),
    ({"space": "initial", "sharing": "ends"}, 1232580),
    ({"space": "initial", "sharing": "ends", "fusion_kernel": 1}, 1035972),
    ({"space": "dynamic"}, 6418014),
    ({"space": "dynamic", "stages": 4}, 13882242),
    ({"space": "dynamic", "stages": 4, "skip_first": True}, 14104962),
]

SYSTEMS = {
    "bicubic": (0, 0, 0),
    "srcnn": (8129, 8129, 8129),
    "fsrcnn": (12809, 12809, 12809),
    "vdsr": (665921, 665921, 665921),
    "drcn": (1775121, 1775121, 1775121),
    "lapsrn": (251474, 502308, 502308),
    "drrn": (297986, 297986, 297986),
    "memnet": (685960, 685960, 685960),
    "idn": (552769, 552769, 552769),
    "edsr_baseline": (1369859, 1554499, 1517571),
    "srmdnf": (1510540, 1527835, 1552048),
    "carn": (1591939, 1591939, 1591939),
    "imdn": (694404, 703059, 715176),
    "imdn_as": (752104, 752104, 752104),
}
"""Parameters of published networks at x2, x3 and x4."""
IMDN_GMACS = 40.886
"""Of IMDN x4 at an output of 1280 x 720."""

KERNELS = st.sampled_from([1, 3, 5, 7])
BLOCKS = st.sampled_from(sorted(CONVS)).flatmap(
    lambda conv: st.builds(
        Block,
        recipe=st.text(st.sampled_from(sorted(LETTERS)), min_size=1, max_size=8),
        ending=st.sampled_from(sorted(ENDINGS)),
        rate=st.floats(0.01, 0.99),
        kernel=KERNELS | st.tuples(KERNELS, KERNELS) if CONVS[conv].several else KERNELS,
        fusion_kernel=st.sampled_from([0, 1, 3, 5]),
        conv=st.just(conv),
        attention=st.sampled_from(["", *sorted(ATTENTIONS)]),
        inner=st.sampled_from([1.0, 0.5, 0.37, 2.0]),
        activation=st.sampled_from(ACTIVATIONS),
    )
)
"""All blocks that the grammar has, some of which no width can build."""
