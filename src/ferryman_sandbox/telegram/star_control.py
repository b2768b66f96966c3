"""Stars over the control API: what a person does with theirs, and what an experimenter does to everybody's.

Person: `POST /__emu/users/{user}/pay` ({"slug"} or {"message_id", "of"?}), `GET …/invoice?slug=`, `GET …/stars`,
`POST …/stars` ({"amount"}), `POST …/subscription` ({"charge", "canceled"}). Experimenter: `GET /__emu/stars`,
`POST /__emu/stars` ({"order"?, "bot_amount"?}), `POST /__emu/stars/take-back` ({"charge", "look"?, "told"?}),
`POST /__emu/stars/refund` ({"charge"}), `POST /__emu/stars/transactions` (any transaction that is none of a shop's).
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

import ferryman_sandbox.telegram.invoices as invoices
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.world import Unknown

Deed = Callable[[int, int, Document], Any]


class StarControl:
    """Refusals are 400 with {"error": sentence}; every deed takes an optional `bot` (its id; default: the first)."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/__emu/users/{user}/invoice", self._handler(self._invoice))
        router.add_get("/__emu/users/{user}/stars", self._handler(self._purse))
        router.add_post("/__emu/users/{user}/stars", self._handler(self._fill))
        router.add_post("/__emu/users/{user}/pay", self._handler(self._pay))
        router.add_post("/__emu/users/{user}/subscription", self._handler(self._subscription))
        router.add_get("/__emu/stars", self._handler(self._books))
        router.add_post("/__emu/stars", self._handler(self._settings))
        router.add_post("/__emu/stars/take-back", self._handler(self._take_back))
        router.add_post("/__emu/stars/refund", self._handler(self._refund))
        router.add_post("/__emu/stars/transactions", self._handler(self._foreign))

    def _handler(self, deed: Deed) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            body = await read_json(request) if request.method == "POST" else dict(request.query)
            try:
                bot = int(body.get("bot") or self._cloud.world.first_bot()["id"])
                user = int(request.match_info.get("user", "0"))
                return web.json_response(deed(bot, user, body))
            except (AttributeError, KeyError, TypeError, ValueError, Unknown, ApiError) as error:
                raise bad_request(str(error) if str(error) else type(error).__name__) from error

        return handle

    def _invoice(self, bot: int, user: int, body: Document) -> Document:
        invoice = self._wanted(bot, user, body)
        return {name: value for name, value in invoice.items() if name != "payload"}

    def _wanted(self, bot: int, user: int, body: Document) -> Document:
        if body.get("slug"):
            return invoices.by_slug(self._cloud.world, str(body["slug"]))
        return invoices.in_message(self._cloud.world, bot, int(body.get("of") or user), int(body["message_id"]))

    def _pay(self, bot: int, user: int, body: Document) -> Document:
        invoice = self._wanted(bot, user, body)
        return self._cloud.checkouts.begin(invoice, user, unheard=bool(body.get("unheard")))

    def _purse(self, bot: int, user: int, _: Document) -> Document:
        person = self._cloud.world.person(user)
        return {
            "amount": self._cloud.stars.of_person(person["id"]),
            "subscriptions": self._cloud.stars.subscriptions(bot, user),
            "checkouts": self._cloud.checkouts.of_person(bot, user),
        }

    def _fill(self, bot: int, user: int, body: Document) -> Document:
        self._cloud.stars.set_person(self._cloud.world.person(user)["id"], int(body["amount"]))
        self._cloud.stars.renew_due()
        return self._purse(bot, user, body)

    def _subscription(self, bot: int, _: int, body: Document) -> Document:
        return self._cloud.stars.edit_by_person(bot, str(body["charge"]), canceled=bool(body["canceled"]))

    def _books(self, bot: int, _: int, __: Document) -> Document:
        return {
            "order": self._cloud.stars.order,
            "bot_amount": self._cloud.stars.of_bot(bot),
            "charges": self._cloud.stars.charges(bot),
            "subscriptions": self._cloud.stars.subscriptions(bot),
        }

    def _settings(self, bot: int, user: int, body: Document) -> Document:
        if "order" in body:
            self._cloud.stars.sort(str(body["order"]))
        if "bot_amount" in body:
            self._cloud.stars.set_bot(bot, int(body["bot_amount"]))
        return self._books(bot, user, body)

    def _take_back(self, bot: int, _: int, body: Document) -> Document:
        look, told = str(body.get("look", "user")), bool(body.get("told"))
        return self._cloud.stars.take_back(bot, str(body["charge"]), look=look, told=told)

    def _refund(self, bot: int, _: int, body: Document) -> Document:
        """As if the operator had done it elsewhere, with the same bot's token."""
        charge = self._cloud.stars.charge_of(bot, str(body["charge"]))
        self._cloud.stars.refund(bot, charge["user"], charge["id"])
        return self._cloud.stars.charge_of(bot, charge["id"])

    def _foreign(self, bot: int, user: int, body: Document) -> Document:
        self._cloud.stars.note_foreign(bot, {name: value for name, value in body.items() if name != "bot"})
        return self._books(bot, user, body)
