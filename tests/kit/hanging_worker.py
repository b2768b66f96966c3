"""A worker process to be killed: `python -m tests.kit.hanging_worker DATABASE_URL`; says "begun" when a job hangs."""

import asyncio
import sys

from ferryman.kit.jobs import Jobs, Pace

PACE = Pace(heartbeat=0.2, dead_after=10.0, look="* * * * * *", drain=5.0)
NAMES = ("node", "free", "tick")


async def hang(**_: object) -> None:
    print("begun", flush=True)  # noqa: T201
    await asyncio.sleep(3600)


async def main(database_url: str) -> None:
    jobs = Jobs(database_url, PACE)
    for name in NAMES[:2]:
        jobs.add(name, hang)
    jobs.every("tick", "* * * * * *", hang)
    await jobs.open()
    await jobs.run(concurrency=8, stopping=asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
