"""Stars in their surroundings: the emulated messenger, a bot in it, and a person who pays."""

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from ferryman.billing.provider import Claim, Fact, NoSettings, PaymentRequest, RawWebhook
from ferryman.billing.providers.stars import Stars
from ferryman.billing.telegram import TelegramAccess
from ferryman.kit.http import Http
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator, deeds, invoices
from tests.billing.providers.recorder import Recorder
from tests.billing.providers.world import Control, World, emulated, emulator_tools

TOKEN = "123456:AAF-token_of_the_emulated_bot-00000"
WRONG = "123456:AAF-another_token_of_that_bot-00000"
BOT_ID = 123456
KINDS = ("successful_payment", "refunded_payment")


def stars(http: Http, api_base: str, token: str = TOKEN) -> Stars:
    access = TelegramAccess(api_base, SecretStr(token))
    return Stars(NoSettings(), emulator_tools(http, telegram=access))


def handed_over(message: dict[str, Any]) -> RawWebhook:
    """What the bot makes of Telegram's message."""
    kind = next(kind for kind in KINDS if kind in message)
    body = {"payer": message["from"]["id"], "date": message["date"], kind: message[kind]}
    return RawWebhook(json.dumps(body).encode())


@dataclass
class StarsControl(Control):
    """A person who pays, refuses nothing, and a bot that says yes to every question."""

    emulator: TelegramEmulator
    person: int = 0

    @property
    def cloud(self) -> Any:
        return self.emulator.cloud

    async def post(self, path: str, body: Any = None) -> Any:
        if path == "webhooks":
            # Of a payment, the question comes before the message.
            path, body = "updates", {"duplicate": 2}
        return await super().post(path, body)

    def pay_link(self, link: str, person: int = 0) -> str:
        """Pay an invoice; answers the charge's id."""
        invoice = invoices.by_slug(self.cloud.world, link)
        query = self.cloud.checkouts.begin(invoice, person or self.person)["id"]
        self.cloud.checkouts.answer(BOT_ID, query, ok=True, error="")
        return str(self.cloud.checkouts.by_id(query)["charge"])

    def messages(self) -> list[dict[str, Any]]:
        """What the bot was told of payments and has not confirmed yet; twice what is delivered twice."""
        return [
            update["update"]["message"]
            for update in self.cloud.updates.pending(BOT_ID)
            for _ in range(update["copies"])
            if set(KINDS) & set(update["update"].get("message", ()))
        ]

    async def webhooks(self, count: int) -> list[RawWebhook]:
        told = [handed_over(message) for message in self.messages()]
        assert len(told) >= count
        return told


@dataclass
class StarsWorld(World):
    provider: Stars
    control: StarsControl

    def request(self, **changes: Any) -> PaymentRequest:
        return super().request(**{"payer": self.control.person} | changes)

    def read(self, raw: RawWebhook) -> Claim:
        return self.provider.read_message(raw)

    async def paid(self, **changes: Any) -> tuple[PaymentRequest, Fact]:
        request = self.request(**changes)
        charge = self.control.pay_link((await self.provider.open(request)).pay_url)
        return request, await self.provider.look_up(charge)


def emulated_stars() -> AbstractAsyncContextManager[StarsWorld]:
    return emulated(
        StarsWorld,
        stars,
        lambda _: TelegramEmulator(Store(":memory:"), tokens=[TOKEN]),
        wrong={"token": WRONG},
        secrets=(TOKEN,),
        control=_control,
        currency="XTR",
        unknown_id="stx00000000",
        keyed=False,
        creation="createInvoiceLink",
        refunding="refundStarPayment",
        declined=None,
        seen_unpaid=False,
    )


def _control(http: Http, url: str, hook: Recorder, emulator: TelegramEmulator) -> StarsControl:
    person = int(deeds.new_person(emulator.cloud, {"first_name": "Ann", "language_code": "en"})["id"])
    emulator.cloud.stars.set_person(person, 10_000_000)
    return StarsControl(http, url, hook, emulator, person)
