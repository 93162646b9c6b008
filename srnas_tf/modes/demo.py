"""`--mode=demo`: a page on this machine that enlarges photographs in the browser. Needs no TensorFlow."""

import sys

from srnas_tf import flags
from srnas_tf.demo import bundle, server
from srnas_tf.demo.settings import DemoSettings
from srnas_tf.settings import Workdir


def run(workdir: Workdir) -> None:
    """Builds the page with `--model` in `demo/` and serves it until it is stopped."""
    settings = flags.from_flags(DemoSettings)
    model = flags.required_path("model")
    bundle.check_model(model)
    with server.Server(settings.host, settings.port) as listening:
        workdir.make()
        bundle.build(model, workdir / "demo")
        listening.files = server.files_of(workdir / "demo")
        if not server.is_loopback(settings.host):
            print(f"--host={settings.host}: whoever reaches it can use the page and take the model", file=sys.stderr)
        print(listening.url, flush=True)
        listening.serve_until_stopped()
