"""Builds the tools once from settings; every face calls it. The only place that knows all parts by name."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from ferryman.billing import provider
from ferryman.fleet import panel
from ferryman.fleet.connections import Connections
from ferryman.flows.fleet import draining, watching
from ferryman.flows.keys import auditing, following, lifecycle, limits, placing, provisioning
from ferryman.flows.orders import credentials
from ferryman.flows.payments import alarming, banking, eventbook, looking_again, settling
from ferryman.flows.refunds import refunding
from ferryman.flows.renewals import renewing
from ferryman.flows.shop import telling
from ferryman.flows.tools import Tools
from ferryman.kit import log, migrate, plugins
from ferryman.kit.clock import Clock, SystemClock
from ferryman.kit.db import Database
from ferryman.kit.http import Http
from ferryman.kit.jobs import Jobs
from ferryman.kit.postgres import EmbeddedPostgres
from ferryman.kit.secrets import Vault, key_from_file
from ferryman.kit.settings import Settings
from ferryman.messaging.sender import Sender


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The database's address; the embedded server runs for as long as the block, when no other is set."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    embedded = EmbeddedPostgres(settings.data_dir / "postgres")
    try:
        yield await asyncio.to_thread(embedded.start)
    finally:
        await asyncio.to_thread(embedded.stop)


@asynccontextmanager
async def built(
    settings: Settings,
    database_url: str,
    *,
    clock: Clock | None = None,
    sender: Sender | None = None,
    up_to_date: bool = True,
) -> AsyncIterator[Tools]:
    """Everything a story may use, with the schema up to date; closed when the block ends."""
    secrets_of_ours(settings)
    if up_to_date:
        await migrate.upgrade(database_url)
    database, http, jobs = Database(database_url, pool_size=15), Http(), Jobs(database_url)
    vault, time = vault_of(settings), clock or SystemClock()
    connections = Connections(plugins.load(panel.GROUP), vault, panel.PanelTools(http, time))
    tools = Tools(
        settings=settings,
        db=database,
        jobs=jobs,
        clock=time,
        http=http,
        vault=vault,
        providers=plugins.load(provider.GROUP),
        connections=connections,
        hook_secret=hook_secret(settings),
        sender=sender,
    )
    log.redactor.also_hide(tools.hook_key(name) for name in tools.providers)
    register(tools)
    await jobs.open()
    try:
        yield tools
    finally:
        await jobs.close()
        await http.close()
        await database.close()


def register(tools: Tools) -> None:
    """Give the jobs their names. A name is a promise to jobs that already wait in a database: never change one."""
    tools.jobs.add("settle_event", partial(settling.settle_event, tools), lane="bank")
    tools.jobs.add("ask_payment", partial(settling.ask_payment, tools), lane="bank")
    tools.jobs.add("ask_refund", partial(refunding.ask, tools), lane="bank")
    tools.jobs.add("reconcile_node", partial(provisioning.reconcile_node, tools), lane="keys", look=0.05)
    tools.jobs.add("deliver_notice", partial(telling.deliver, tools), lane="talk")
    tools.jobs.add("probe_node", partial(watching.probe_node, tools), lane="watch")
    tools.jobs.add("audit_node", partial(auditing.audit_node, tools), lane="watch")
    tools.jobs.add("carry_on", partial(following.carry_on, tools))
    tools.jobs.add("look_at_renewal", partial(renewing.look, tools))
    tools.jobs.every("sweep_renewals", "* * * * *", partial(renewing.sweep, tools))
    tools.jobs.add("compare_bank", partial(banking.compare_bank, tools), lane="watch")
    tools.jobs.add("look_again", partial(looking_again.look_again, tools), lane="watch")
    # Between two comparisons, which take the same lock.
    tools.jobs.every("sweep_successes", "5-59/10 * * * *", partial(looking_again.sweep, tools))
    tools.jobs.every("sweep_banks", "*/10 * * * *", partial(banking.sweep, tools))
    tools.jobs.every("sweep_alarms", "* * * * * 40", partial(alarming.sweep, tools))
    tools.jobs.every("redact_events", "41 3 * * *", partial(eventbook.redact, tools))
    tools.jobs.every("sweep_credentials", "* * * * * 50", partial(credentials.sweep, tools))
    tools.jobs.every("sweep_payments", "* * * * * */5", partial(settling.sweep, tools))
    tools.jobs.every("sweep_refunds", "* * * * * */15", partial(refunding.sweep, tools))
    tools.jobs.every("sweep_keys", "* * * * * */10", partial(provisioning.sweep, tools))
    tools.jobs.every("sweep_places", "* * * * * */10", partial(placing.sweep, tools))
    tools.jobs.every("sweep_ended_keys", "*/10 * * * *", partial(placing.sweep_ended, tools))
    tools.jobs.every("sweep_notices", "* * * * * */15", partial(telling.sweep, tools))
    tools.jobs.every("sweep_nodes", "* * * * * */5", partial(watching.sweep, tools))
    tools.jobs.every("sweep_audits", "* * * * * */10", partial(auditing.sweep, tools))
    tools.jobs.every("sweep_limits", "* * * * * 25", partial(limits.sweep, tools))
    tools.jobs.every("sweep_retired", "*/5 * * * *", partial(draining.sweep, tools))
    tools.jobs.every("prune_samples", "17 3 * * *", partial(watching.prune, tools))
    tools.jobs.every("sweep_changes", "* * * * * */10", partial(following.sweep, tools))
    tools.jobs.every("sweep_frozen", "*/10 * * * *", partial(lifecycle.sweep, tools))


def vault_of(settings: Settings) -> Vault:
    return Vault(_keys(settings))


def hook_secret(settings: Settings) -> str:
    """What the webhook addresses are derived from: set, or made of the oldest secret key so that it stays the same."""
    if settings.hook_secret is not None:
        return settings.hook_secret.get_secret_value()
    return hashlib.sha256(b"hooks:" + _keys(settings)[-1].encode()).hexdigest()[:32]


def secrets_of_ours(settings: Settings) -> None:
    """Teach the logs which values must never appear in them."""
    known = [settings.telegram_token, settings.database_url, settings.hook_secret, settings.operator_token]
    values = [secret.get_secret_value() for secret in known if secret is not None]
    log.redactor.also_hide([*values, hook_secret(settings), *_keys(settings)])


def _keys(settings: Settings) -> list[str]:
    if settings.secret_keys:
        return [key.get_secret_value() for key in settings.secret_keys]
    return [key_from_file(settings.data_dir / "secret.key")]
