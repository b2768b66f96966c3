"""The emulator put together: one account, its API, invoice page, callbacks, control routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ferryman_sandbox.coingate.api import Api
from ferryman_sandbox.coingate.control import AccountControl
from ferryman_sandbox.coingate.desk import Desk
from ferryman_sandbox.coins import Brand, InvoicePage
from ferryman_sandbox.payments import Manners, PaymentEmulator

MINUTE, HOUR = 60.0, 3600.0
_STEPS = (MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR, 5 * HOUR, 24 * HOUR)
# Forty retries, five at each pace: about six and a half days.
LADDER = tuple(step for step in _STEPS for _ in range(5))


@dataclass
class CoinGateEmulator(PaymentEmulator):
    """One CoinGate account with one API app; a client's base URL is `<server>/v2`, or `<server>/api/v2`.

    Each order has its own callback address.
    """

    token: str = "sandbox-token-of-the-emulated-account"
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        pusher = self.pushing(Manners(_headers, LADDER, received=(200, 204), ends=(301, 302, 401, 403)))
        self.desk = Desk(self.store, self._now, pusher.announce)
        api = Api(self.desk, self.token, self.public_url)
        page = InvoicePage(self.desk, Brand("Harbour Coins", "🪙", "#5b5bd6"))
        self.open(self.desk.deadlines, api, page, AccountControl(self.desk, pusher))

    async def on_reset(self) -> None:
        await super().on_reset()
        self.desk.forget()


def _headers(body: bytes) -> Mapping[str, str]:
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    return {"Content-Type": kind, "User-Agent": "CoinGate-Emulator"}
