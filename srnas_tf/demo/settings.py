"""Where the page is served."""

from dataclasses import dataclass

from srnas_tf.errors import UserError
from srnas_tf.settings import check, setting


@dataclass(frozen=True)
class DemoSettings:
    """Where the page is served."""

    host: str = setting("127.0.0.1", "address that demo serves at; any but a loopback address lets others in")
    port: int = setting(0, "port that demo serves at; 0: one that is free", bounds=(0, 65535))

    def __post_init__(self) -> None:
        check(self)
        if not self.host:
            raise UserError("--host=: names no address; give 0.0.0.0 for all, or leave it out")
