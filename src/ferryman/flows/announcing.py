"""Queue a notice and the job that sends it, in the caller's transaction."""

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.flows.tools import Tools
from ferryman.messaging import notice


async def announce(tools: Tools, session: AsyncSession, customer_id: int, what: notice.Notice, dedup_key: str) -> None:
    """Say something to a customer once per `dedup_key`; it leaves when the transaction commits."""
    notice_id = await notice.queue(session, customer_id, what, dedup_key)
    if notice_id is not None:
        await tools.jobs.defer(session, "deliver_notice", once=f"notice:{notice_id}", notice_id=notice_id)
