"""A payment that somebody's webhook names before our own create call was answered."""

from ferryman_sandbox.weather import Fault
from tests.support.messages import Outbox
from tests.support.shop import Town

CREATE = {"route": "/v3/payments", "method": "POST"}


async def test_the_way_to_pay_is_found_although_a_webhook_was_quicker(shop: Town, outbox: Outbox) -> None:
    """The answer to the create call is lost, and somebody tells us the id: the customer still gets the link."""
    shop.bank.weather.add(Fault.from_json({"mode": "drop_after", **CREATE}))
    anna = await shop.customer()
    checkout = await shop.order(anna)
    assert checkout.pay_url is None
    payment = shop.payment_of(checkout)
    await shop.webhook(payment)
    await shop.work()
    assert await shop.rows("SELECT external_id, pay_url FROM payments") == [(payment["id"], None)]
    await shop.later(seconds=15)
    assert await shop.value("SELECT pay_url FROM payments") == payment["confirmation"]["confirmation_url"]
    assert payment["confirmation"]["confirmation_url"] in str([sent.keyboard for sent in outbox.sent])
