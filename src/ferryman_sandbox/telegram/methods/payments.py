"""Stars: invoices, the answer to the question before a payment, refunds, the list of transactions, repeated payments.

Only Stars can be asked for here; money of states, which goes through a payment provider's token, is not modelled.
"""

from typing import Any

import ferryman_sandbox.telegram.invoices as invoices
import ferryman_sandbox.telegram.keyboards as keyboards
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud

MOST_TRANSACTIONS = 100
LONGEST_ERROR = 255


async def create_invoice_link(cloud: Cloud, call: Call) -> str:
    invoice = invoices.read(call)
    invoice["period"] = invoices.read_period(call, invoice["amount"])
    return invoices.link(invoices.keep(cloud.world, invoice))


async def send_invoice(cloud: Cloud, call: Call) -> Document:
    chat = cloud.open_chat(call)
    invoice = invoices.read(call) | {"chat": chat["user"], "period": 0}
    markup = keyboards.checked_for_invoice(call.parsed("reply_markup"), cloud.local_http, invoice["amount"])
    invoices.keep(cloud.world, invoice)
    message = cloud.say(call, chat, {"invoice": invoices.shown(invoice)}, markup)
    invoices.put_in_message(cloud.world, invoice, message["message_id"])
    return message


async def answer_pre_checkout_query(cloud: Cloud, call: Call) -> bool:
    query_id = call.need("pre_checkout_query_id", 'parameter "pre_checkout_query_id" is required')
    ok, error = call.flag("ok"), call.text("error_message")
    if not ok and not error:
        raise bad('parameter "error_message" is required')
    cloud.checkouts.answer(call.bot_id, query_id, ok=ok, error=error[:LONGEST_ERROR])
    return True


async def refund_star_payment(cloud: Cloud, call: Call) -> bool:
    cloud.stars.refund(call.bot_id, _person(cloud, call), call.text("telegram_payment_charge_id"))
    return True


async def get_star_transactions(cloud: Cloud, call: Call) -> dict[str, Any]:
    offset = max(call.integer("offset", 0), 0)
    limit = min(max(call.integer("limit", MOST_TRANSACTIONS), 1), MOST_TRANSACTIONS)
    return {"transactions": cloud.stars.transactions(call.bot_id, offset, limit)}


async def get_my_star_balance(cloud: Cloud, call: Call) -> dict[str, int]:
    return {"amount": cloud.stars.of_bot(call.bot_id)}


async def edit_user_star_subscription(cloud: Cloud, call: Call) -> bool:
    user, charge = _person(cloud, call), call.text("telegram_payment_charge_id")
    cloud.stars.edit(call.bot_id, user, charge, canceled=call.flag("is_canceled"))
    return True


def _person(cloud: Cloud, call: Call) -> int:
    user = call.integer("user_id", 0)
    if user not in {person["id"] for person in cloud.world.people()}:
        raise bad("user not found")
    return user


METHODS: dict[str, Any] = {
    "createInvoiceLink": create_invoice_link,
    "sendInvoice": send_invoice,
    "answerPreCheckoutQuery": answer_pre_checkout_query,
    "refundStarPayment": refund_star_payment,
    "getStarTransactions": get_star_transactions,
    "getMyStarBalance": get_my_star_balance,
    "editUserStarSubscription": edit_user_star_subscription,
}
