"""How the shop is notified: `payments.pushes` in YooKassa's manner.

The real service publishes no spacing; this ladder is ours, for 24 hours. Only HTTP 200 counts as received, body and
headers are ignored, redirects are not followed, nothing is signed. One mode more than there: with `before_answer` they
reach the shop before its own create call is answered, the payment being paid on creation.
"""

import json
from collections.abc import Callable

from ferryman_sandbox.payments import MODES, Manners
from ferryman_sandbox.yookassa.payment import Json

LADDER = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
LIFETIME = 24 * 3600.0
BEFORE_ANSWER = "before_answer"


def manners(source: Callable[[], str]) -> Manners:
    return Manners(
        lambda _: {},
        LADDER,
        lifetime=LIFETIME,
        received=(200,),
        source=source,
        modes=(*MODES, BEFORE_ANSWER),
        shown=shown,
    )


def written(event: str, thing: Json) -> str:
    return json.dumps({"type": "notification", "event": event, "object": thing})


def shown(delivery: Json) -> Json:
    """An attempt as the log tells of it; `notification` is 0 for a forged or repeated one."""
    told = {name: delivery[name] for name in ("at", "url", "status", "answer", "ms")}
    return {"n": delivery["n"], "notification": delivery["push"], "body": json.loads(delivery["body"])} | told
