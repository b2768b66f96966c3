"""A customer at the counter, and what is theirs."""

from dataclasses import dataclass

from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound
from ferryman.messaging.texts import Voice, voice
from ferryman.people.customer import Customer
from ferryman.subscriptions import holdings
from ferryman.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Visit:
    """A customer at the counter. `tap` names the press itself: the same one again has the same name."""

    tools: Tools
    customer: Customer
    tap: str = ""

    @property
    def voice(self) -> Voice:
        return voice(self.customer.language)


async def theirs(visit: Visit, ref: str) -> Subscription:
    """Raises NotFound for a subscription that is another customer's, or nobody's."""
    async with visit.tools.db.unit() as session:
        held = await holdings.of_customer(session, visit.customer.id)
    for one in held:
        if one.ref == ref:
            return one
    raise NotFound("The customer holds no such subscription.")
