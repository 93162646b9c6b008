"""`--mode=import`: converts IMDN's official weights to a model of this package."""

from srnas_tf import flags
from srnas_tf.nets import SRNet, official
from srnas_tf.nets.files import save
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Reads `--input`, a `.pth` or `.npz` file, and writes `model.keras`."""
    path = flags.required_path("input")
    weights = official.read(path)
    network = official.network_of(weights, path, flags.FLAGS.scale)
    flags.check_agrees(network)
    workdir.make()
    model = SRNet(network, provenance={"imported": path.name})
    official.load_official(model, weights, path)
    save(model, workdir / "model.keras")
