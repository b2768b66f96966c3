"""How often one address may knock: a bucket of tokens for each, forgotten when it is full again."""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

BURST = 4.0
# More addresses than that at once are nobody we know; the oldest half is forgotten then.
MOST_ADDRESSES = 10_000


@dataclass
class Throttle:
    """`rate` tokens a second for each address, up to four seconds' worth of them saved up."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def admits(self, address: str) -> bool:
        """Whether this knock is within what its address may do; takes a token when it is."""
        now, most = self.clock(), self.rate * BURST
        tokens, last = self._buckets.pop(address, (most, now))
        tokens = min(most, tokens + (now - last) * self.rate)
        admitted = tokens >= 1.0
        # Put back at the end: the dictionary stays in the order of the last knock.
        self._buckets[address] = (tokens - 1.0 if admitted else tokens, now)
        if len(self._buckets) > MOST_ADDRESSES:
            for known in list(self._buckets)[: MOST_ADDRESSES // 2]:
                del self._buckets[known]
        return admitted


def sender(request: Request, hops: int) -> str:
    """Whose request it is: the connection's other end, or what the outermost of our own `hops` proxies wrote.

    Each proxy adds the address that it saw at the right end of X-Forwarded-For; what stands further to the left came
    from outside and proves nothing. An address that is none is not believed.
    """
    connected = request.client.host if request.client else ""
    if not hops:
        return connected
    written = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    said = written[-hops].strip() if len(written) >= hops else ""
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        return connected
