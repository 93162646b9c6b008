"""Settings of the server for the page."""

from dataclasses import dataclass

from srnas_tf.errors import UserError
from srnas_tf.settings import check, setting


@dataclass(frozen=True)
class DemoSettings:
    """Address and port of the server."""

    host: str = setting(
        "127.0.0.1", "address at which demo serves the page; other machines can reach any but a loopback address"
    )
    port: int = setting(0, "port at which demo serves the page; 0: a free one", bounds=(0, 65535))

    def __post_init__(self) -> None:
        check(self)
        if not self.host:
            raise UserError("--host=: is empty; give an address, 0.0.0.0 for all of this machine's, or drop the flag")
