"""One traffic and drift round over a whole fleet: every node listed, all traffic counted, every client compared.

Every customer has a key on every node, as with plans for all locations, so every node's listing moves the same sums.
The panel is a process of its own and stands for all nodes; what it and PostgreSQL cost is not in the CPU seconds.
"""

import asyncio
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.crowd import TOKEN
from benchmarks.report import Figures
from benchmarks.yard import NotMeasured, Yard, python
from ferryman import wiring
from ferryman.flows.keys import auditing
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.settings import Settings

DATABASE = "fleet"
MEGABYTE = 2**20
# As many as a worker process audits at a time, by default.
AT_ONCE = 16

PEOPLE = """
WITH person AS (
    INSERT INTO customers (telegram_id, first_name, language, banned, reachable)
    VALUES (1, 'Crowd', 'en', false, true) RETURNING id
)
INSERT INTO subscriptions (ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot, traffic_bytes,
                           devices, starts_at, ends_at, revision, placed_revision, placed_epoch)
SELECT 'crowd' || lpad(n::text, 5, '0'), person.id, 'plan-' || n, 'token-' || n,
       '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'), 'password-' || n, 'sub-' || lpad(n::text, 12, '0'),
       '{"icon": "", "title": {"en": "Crowd"}, "places": {"rule": "all"}, "traffic_bytes": 1000000000000000}',
       1000000000000000, 3, now(), to_timestamp(1893456000), 1, 1, (SELECT epoch FROM fleet_epoch)
FROM generate_series(0, %(clients)s - 1) AS n, person"""
PLACE = """
INSERT INTO locations (code, country, title, city, position) VALUES ('de', 'DE', '{"en": "Germany"}', '{}', 0)
RETURNING id"""
NODE = """
WITH node AS (
    INSERT INTO nodes (name, location_id, panel, address, sealed_access, position, state, failures, panel_version)
    VALUES (%(name)s, %(place)s, 'xui', 'de.example.net', %(access)s, 0, 'healthy', 0, '3.6.0') RETURNING id
), inbound AS (
    INSERT INTO inbounds (node_id, panel_id, protocol, transport, security, port, remark, enabled, link)
    SELECT id, 1, 'vless', 'tcp', 'reality', 443, '', true, '{}' FROM node
)
INSERT INTO keys (subscription_id, node_id, wanted_revision, seen_revision, seen_at, try_at, up, down, failures)
SELECT subscriptions.id, node.id, 1, 1, now() - interval '1 hour', now(), 0, 0, 0 FROM subscriptions, node"""


@dataclass
class Watch:
    """The most memory that this process held while it was watched, beyond what it held before, in bytes."""

    before: int = field(default_factory=lambda: int(psutil.Process().memory_info().rss))
    peak: int = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._look, args=[done])
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look(self, done: threading.Event) -> None:
        process = psutil.Process()
        while not done.wait(0.01):
            self.peak = max(self.peak, process.memory_info().rss - self.before)


@dataclass(frozen=True)
class Fleet:
    """`move` lets every client of every panel use some traffic."""

    yard: Yard
    tools: Tools
    url: str
    clients: int

    async def add_nodes(self, until: int) -> None:
        sealed = self.tools.vault.seal({"url": self.url, "token": TOKEN})
        with psycopg.connect(self.tools.db.url, autocommit=True) as connection:
            (have,) = connection.execute("SELECT count(*) FROM nodes").fetchone() or (0,)
            (place,) = connection.execute("SELECT max(id) FROM locations").fetchone() or (None,)
            for number in range(have, until):
                connection.execute(NODE.encode(), {"name": f"de-{number}", "place": place, "access": sealed})
            connection.execute("ANALYZE")

    async def move(self) -> None:
        await self.yard.emu(self.url.rstrip("/"), "crowd", {})

    def sums(self) -> tuple[int, int]:
        """Bytes counted so far, and keys that are not in order."""
        with psycopg.connect(self.tools.db.url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT (SELECT sum(used_up + used_down) FROM subscriptions)::bigint, "
                "(SELECT count(*) FROM keys WHERE seen_revision IS DISTINCT FROM wanted_revision)"
            ).fetchone()
        assert row is not None
        return row[0], row[1]

    async def round(self) -> Figures:
        """Every node audited once."""
        with psycopg.connect(self.tools.db.url, autocommit=True) as connection:
            nodes = [row[0] for row in connection.execute("SELECT id FROM nodes ORDER BY id")]
        room, watch = asyncio.Semaphore(AT_ONCE), Watch()

        async def audit(node_id: int) -> None:
            async with room:
                await auditing.audit_node(self.tools, node_id)

        wall, cpu = time.perf_counter(), time.process_time()
        with watch.watching():
            await asyncio.gather(*(audit(node_id) for node_id in nodes))
        spent = time.process_time() - cpu
        return {
            "wall_s": round(time.perf_counter() - wall, 2),
            "cpu_s": round(spent, 2),
            "cpu_microseconds_per_client": round(spent / len(nodes) / self.clients * 1e6, 1),
            "peak_memory_mb": round(watch.peak / MEGABYTE, 1),
        }


async def auditing_rounds(yard: Yard, nodes: int, clients: int) -> Figures:
    """A tenth of the nodes first, then all: when nobody's traffic has moved, and when everybody's has."""
    figures: Figures = {"benchmark": "traffic_and_drift_round", "nodes": nodes, "clients_per_node": clients}
    async with opened(yard, DATABASE, clients, on_panel=clients) as fleet:
        for count in (max(1, nodes // 10), nodes):
            await fleet.add_nodes(count)
            await fleet.round()
            before, _ = fleet.sums()
            idle = await fleet.round()
            await fleet.move()
            busy = await fleet.round()
            after, off = fleet.sums()
            if after <= before or off:
                raise NotMeasured(f"{after - before} bytes were counted, and {off} keys are off")
            figures |= {f"{count}_nodes_idle_{name}": value for name, value in idle.items()}
            figures |= {f"{count}_nodes_all_moved_{name}": value for name, value in busy.items()}
    return figures


@asynccontextmanager
async def opened(yard: Yard, database: str, clients: int, *, on_panel: int) -> AsyncIterator[Fleet]:
    """A database of its own on the yard's server with so many customers' subscriptions, and a panel in a process of its
    own that holds the first of them."""
    with psycopg.connect(yard.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    name = psycopg.conninfo.conninfo_to_dict(yard.database_url)["dbname"]
    url = yard.database_url.replace(f"/{name}?", f"/{database}?")
    log.configure("console", "error")
    settings = Settings(_env_file=None, env="sandbox", data_dir=yard.folder / database, probe_ports=False)
    with _crowd(yard, on_panel) as panel:
        async with wiring.built(settings, url) as tools:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(PLACE.encode())
                connection.execute(PEOPLE.encode(), {"clients": clients})
            yield Fleet(yard, tools, panel, clients)


@contextmanager
def _crowd(yard: Yard, clients: int) -> Iterator[str]:
    script = Path(__file__).with_name("crowd.py")
    command = python(str(script), str(clients))
    with subprocess.Popen(command, env=yard.environment, stdout=subprocess.PIPE, cwd=yard.folder) as process:
        try:
            assert process.stdout is not None
            said: dict[str, Any] = json.loads(process.stdout.readline())
            yield str(said["url"])
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
