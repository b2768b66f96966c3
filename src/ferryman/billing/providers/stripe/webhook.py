"""Stripe's webhook: signed with the endpoint's secret, and an event id that is the same in every repeat."""

import hashlib
import hmac
import re
from datetime import datetime

from ferryman.billing.provider import Claim, RawWebhook
from ferryman.billing.providers.stripe.settings import AccountConfig
from ferryman.billing.providers.stripe.shapes import INTENT, SESSION, part, ref_of
from ferryman.kit import remote
from ferryman.kit.errors import Refused
from ferryman.kit.secrets import same

SIGNATURE_AGE = 300
LARGEST_WEBHOOK = 256 * 1024
LONGEST_HEADER = 2000

_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,120}")
_TYPE = re.compile(r"[a-z_.]{1,80}")
_SIGNED = re.compile(r"v1=([0-9a-f]{64})")
_MOMENT = re.compile(r"t=([0-9]{1,12})")


def signature(secret: str, moment: str, body: bytes) -> str:
    """What one `v1` carries: HMAC-SHA-256 of the moment as it is written, a full stop and the raw body, in hex."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def must_be_signed(raw: RawWebhook, config: AccountConfig, now: datetime) -> None:
    """Raises Refused. While a secret is rolled there is a signature by each, and any may fit; each try anew."""
    if len(raw.body) > LARGEST_WEBHOOK:
        raise Refused(f"A webhook of Stripe is at most {LARGEST_WEBHOOK} bytes.")
    parts = [one.strip() for one in raw.headers.get("stripe-signature", "")[:LONGEST_HEADER].split(",")]
    moment = next((found[1] for one in parts if (found := _MOMENT.fullmatch(one))), None)
    given = [found[1] for one in parts if (found := _SIGNED.fullmatch(one))]
    if moment is None or not given:
        raise Refused("This is not signed with the endpoint's secret.")
    secrets = [config.webhook_secret, *filter(None, [config.previous_webhook_secret])]
    wanted = [signature(secret.get_secret_value(), moment, raw.body) for secret in secrets]
    fits = [same(one, other) for one in given for other in wanted]
    if not any(fits):
        raise Refused("This is not signed with the endpoint's secret.")
    if now.timestamp() - int(moment) > SIGNATURE_AGE:
        raise Refused("This was signed too long ago; it may be somebody's copy.")


def claim_of(raw: RawWebhook) -> Claim:
    """What an event says. Of a session its id, of anything else that came of a payment its PaymentIntent's."""
    try:
        event = remote.document(raw.body)
    except ValueError as error:
        raise Refused("This is not an event of Stripe.") from error
    event_id, kind = remote.matching(event.get("id"), _EVENT_ID), remote.matching(event.get("type"), _TYPE)
    if event_id is None or kind is None:
        raise Refused("This is not an event of Stripe.")
    thing = part(part(event, "data"), "object")
    match thing.get("object"):
        case "checkout.session":
            external_id = remote.matching(thing.get("id"), SESSION)
        case "payment_intent":
            external_id = remote.matching(thing.get("id"), INTENT)
        case _:
            external_id = remote.matching(thing.get("payment_intent"), INTENT)
    return Claim(kind, event_id, external_id, ref_of(thing))
