"""One world: a Telegram, a YooKassa, three 3X-UI panels, a page to see them all, and the product as a child process.

Everything is kept in one folder: state in SQLite files, ports and made-up secrets, so that a second start continues
where the first one ended. The product is run by its command line alone.
"""

from ferryman_sandbox.world.world import World
from ferryman_sandbox.world.wreck import WorldError

__all__ = ["World", "WorldError"]
