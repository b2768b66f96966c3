"""What the staff are told about the fleet: one sentence that names the node and the fix, once per change."""

from dataclasses import dataclass

from ferryman.messaging.notice import Notice


@dataclass(frozen=True)
class NodeDown(Notice):
    """`detail` is what the last try came to, as the log has it."""

    node: str
    flag: str
    detail: str


@dataclass(frozen=True)
class NodeDegraded(Notice):
    """It answers, and something is wrong: `ailment` is a word for it (fleet/diagnosis.py), `detail` a sentence."""

    node: str
    flag: str
    ailment: str
    detail: str


@dataclass(frozen=True)
class NodeBack(Notice):
    """`minutes` it was in trouble; `returns_in`: minutes until it takes its customers back, 0 = it never lost them."""

    node: str
    flag: str
    minutes: int
    returns_in: int


@dataclass(frozen=True)
class NodeFlapping(Notice):
    """It comes and goes; nothing more is said until it has stayed one way for `minutes`."""

    node: str
    flag: str
    minutes: int


@dataclass(frozen=True)
class NodeQuarantined(Notice):
    """Down for `minutes`, and now others serve its customers; it returns after `returns_after` minutes of health."""

    node: str
    flag: str
    minutes: int
    returns_after: int


@dataclass(frozen=True)
class FleetInDoubt(Notice):
    """None of `nodes` answers, which is more likely the fault of our own network."""

    nodes: int


@dataclass(frozen=True)
class FleetAnswers(Notice):
    """The end of FleetInDoubt: `answering` of `nodes` answer again."""

    answering: int
    nodes: int


@dataclass(frozen=True)
class BankDiffers(Notice):
    """A provider's own list and our books differ in `count` places; `detail` is a sentence about the first."""

    provider: str
    count: int
    detail: str


@dataclass(frozen=True)
class CustomerUntold(Notice):
    """Telegram answered none of `times` attempts to tell a customer (their Telegram id) of money or a key.

    `what` is the kind of the notice.
    """

    customer: int
    what: str
    times: int


@dataclass(frozen=True)
class MoneyAlarm(Notice):
    """Something about money needs a person: `what` is a word for it, `count` how many, `minutes` since when."""

    what: str
    count: int
    minutes: int
    detail: str
