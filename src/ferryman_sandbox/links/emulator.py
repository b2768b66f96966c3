"""The base of such an emulator: a subclass reads its links and writes its notifications; the rest is here."""

from dataclasses import asdict, dataclass, field

from ferryman_sandbox.links.bill import Bill, Desk, Json
from ferryman_sandbox.links.page import LinkPage, Till
from ferryman_sandbox.payments import Control, Deadlines, Forgery, Manners, PaymentEmulator

# Neither service publishes its spacing; this ladder is ours.
LADDER = (10.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class LinkEmulator(PaymentEmulator):
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        pusher = self.pushing(Manners(lambda _: FORM, LADDER, received=(200,), wants=self.wanted))
        self.desk = Desk(self.store, self._now, lambda bill: pusher.announce(self.notification(bill)))
        moves = {
            "pay": lambda id_, _: asdict(self.desk.pay(id_)),
            "decline": lambda id_, _: asdict(self.desk.decline(id_)),
            "refund": lambda id_, _: asdict(self.desk.give_back(id_)),
        }
        page = LinkPage(self.desk, self.till, self.visited)
        # Nothing here is moved by time alone.
        self.open(Deadlines(self._now, lambda _: None), page, Control(pusher, self._bills, moves, _forgery))

    @property
    def till(self) -> Till:
        """Where the link leads, and how the page looks."""
        raise NotImplementedError

    def visited(self, query: dict[str, str]) -> Bill:
        """The bill of a link that somebody opened. Raises Wrong."""
        raise NotImplementedError

    def notification(self, bill: Bill) -> str:
        """The form that the shop is sent, signed."""
        raise NotImplementedError

    def wanted(self, body: str) -> str:
        """What the shop must answer to it."""
        raise NotImplementedError

    def _bills(self) -> list[Json]:
        return [asdict(bill) for bill in self.desk.bills()]


def _forgery(wish: Json) -> Forgery:
    """{"body"}."""
    return Forgery(str(wish.get("body", "")), FORM)
