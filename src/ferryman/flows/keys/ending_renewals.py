"""A renewal ends by somebody's word, in the transaction that carries it out, and its customer hears by whose.

It is told here and not with the renewals, as whoever takes a key away for good ends its renewal too.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import renewals
from ferryman.billing.renewal import Agreement, State
from ferryman.flows.announcing import announce
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging.renewals import RenewalStopped
from ferryman.subscriptions.subscription import Subscription

_log = log.get("renewing")


async def ended(
    tools: Tools,
    session: AsyncSession,
    one: Agreement,
    subscription: Subscription,
    why: str,
    *,
    known_there: bool = False,
) -> None:
    """Somebody's wish ends it. The caller holds the agreement's row. For `known_there` see `renewals.end`."""
    now = tools.clock.now()
    renewals.end(one, State.STOPPED, why, now, known_there=known_there)
    _log.info("renewal_ended", renewal=one.id, state=one.state, why=why)
    said = RenewalStopped(*what(subscription), why)
    await announce(tools, session, one.customer_id, said, f"renewal-stopped:{one.id}:{int(now.timestamp())}")


def what(subscription: Subscription, until: datetime | None = None) -> tuple[str, str, dict[str, str], str]:
    """What every notice of a renewal begins with: ref, icon, title, until when it is paid: its end, unless `until`
    says more, as for one that is frozen."""
    shown = subscription.snapshot
    return subscription.ref, shown.get("icon", ""), shown.get("title", {}), (until or subscription.ends_at).isoformat()
