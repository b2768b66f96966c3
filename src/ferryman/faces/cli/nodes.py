"""`ferryman node add | list | check | edit | enable | disable | inbounds`."""

import shlex
from dataclasses import replace
from typing import Annotated

import typer

import ferryman.faces.cli.asking as asking
import ferryman.faces.cli.describing as describing
import ferryman.faces.cli.picturing as picturing
from ferryman.faces.cli.describing import Way
from ferryman.faces.cli.running import go, show_json, with_tools
from ferryman.fleet.wish import Place, Wanted, Wish
from ferryman.flows.fleet import nodes, surveying
from ferryman.flows.fleet.inspecting import Look, UntrustedCertificate
from ferryman.flows.shop import checkup
from ferryman.flows.tools import Tools

group = typer.Typer(name="node", help="🗄  Nodes: the servers that keys are put on.", no_args_is_help=True)


@group.command()
def add(
    name: describing.Name,
    url: describing.Url = "",
    token: describing.Token = "",
    username: describing.Username = "",
    password: describing.Password = "",
    totp: describing.Totp = "",
    pin: describing.Pin = "",
    ca: describing.Authority = None,
    insecure: describing.Insecure = None,
    address: describing.Address = "",
    location: describing.Location = "",
    country: describing.Country = "",
    title: describing.Title = None,
    city: describing.City = None,
    inbounds: describing.Inbounds = "",
    tag: describing.Tags = None,
    open_: describing.Open = None,
    target: describing.Target = "",
    priority: describing.Priority = None,
    capacity_clients: describing.Clients = None,
    capacity_gb: describing.Gigabytes = None,
    panel: Annotated[str, typer.Option(help="The panel's type.")] = "xui",
) -> None:
    """➕ Add a node: its panel is looked at first. At a terminal, what you leave out is asked for."""
    way = Way(url, token, username, password, totp, pin, ca, insecure)
    access = way.access()
    wish = Wish(
        name=name,
        panel=panel,
        access=access,
        address=asking.needed("--address", address, "What customers connect to", _host_of(access.url)),
        place=Place(
            location or name,
            _country(location, country),
            asking.pairs("--title", title or ()),
            asking.pairs("--city", city or ()),
        ),
        inbounds=describing.wanted(inbounds),
        tags=describing.tags_of(tag),
        new_inbound=describing.new_inbound(open_, target),
        **describing.limits(priority, capacity_clients, capacity_gb),
    )

    async def work(tools: Tools) -> None:
        await nodes.require_new(tools, name)
        seen, trusted = await _looked_at(tools, wish)
        chosen = replace(trusted, inbounds=trusted.inbounds or _choice(seen, making_one=open_ is not None))
        async with asking.patience(f"Keeping {name}; its panel is asked once more."):
            kept = await nodes.add(tools, chosen)
        typer.echo(f"✅ node {name}: {kept}")
        typer.echo(f"   Its keys are put there by the worker. Look again with: ferryman node check {shlex.quote(name)}")

    go(with_tools(work), quiet=True)


@group.command(name="list")
def list_(as_json: describing.AsJson = False) -> None:
    """📋 All nodes, with what is on them and how they do. No panel is asked."""

    async def work(tools: Tools) -> None:
        now = tools.clock.now()
        async with tools.db.unit() as session:
            found = await surveying.nodes(session, now)
        if as_json:
            show_json([one.as_json() for one in found])
            return
        for line in picturing.fleet(found, now):
            typer.echo(line)

    go(with_tools(work), quiet=True)


@group.command()
def check(name: describing.Name, as_json: describing.AsJson = False) -> None:
    """🩺 Look at one node and name the fix for what is wrong; exit code 1 when something is."""

    async def work(tools: Tools) -> None:
        async with tools.db.unit() as session:
            node = await nodes.named(session, name)
        async with asking.patience(f"Waiting for the panel of {name}."):
            found = [finding async for finding in checkup.of_node(tools, node)]
        if as_json:
            show_json([vars(finding) for finding in found])
        else:
            for finding in found:
                picturing.finding(finding)
        raise typer.Exit(int(not all(finding.well for finding in found)))

    go(with_tools(work), quiet=True)


@group.command()
def edit(
    name: describing.Name,
    url: describing.Url = "",
    token: describing.Token = "",
    username: describing.Username = "",
    password: describing.Password = "",
    totp: describing.Totp = "",
    pin: describing.Pin = "",
    ca: describing.Authority = None,
    insecure: describing.Insecure = None,
    address: describing.Address = "",
    location: describing.Location = "",
    country: describing.Country = "",
    title: describing.Title = None,
    city: describing.City = None,
    inbounds: describing.Inbounds = "",
    open_: describing.Open = None,
    target: describing.Target = "",
    priority: describing.Priority = None,
    capacity_clients: describing.Clients = None,
    capacity_gb: describing.Gigabytes = None,
) -> None:
    """✏️  Change a node. New credentials or addresses are kept only when the panel answers to them."""
    way = Way(url, token, username, password, totp, pin, ca, insecure)
    changes = describing.limits(priority, capacity_clients, capacity_gb)
    given = {
        "address": address or None,
        "inbounds": describing.wanted(inbounds),
        "new_inbound": describing.new_inbound(open_, target),
    }
    changes |= {name: value for name, value in given.items() if value is not None}
    titles, cities = asking.pairs("--title", title or ()), asking.pairs("--city", city or ())
    moves = bool(location or country or titles or cities)
    if not (way or changes or moves):
        raise typer.BadParameter("say what to change; `ferryman node edit --help` lists what can be.")

    async def work(tools: Tools) -> None:
        async with tools.db.unit() as session:
            node = await nodes.named(session, name)
        if way:
            changes["access"] = way.changed(nodes.wish_of(tools, node).access)
        if moves:
            changes["place"] = Place(location or node.location.code, country, titles, cities)
        async with asking.patience(f"Waiting for the panel of {name}."):
            kept = await nodes.edit(tools, name, **changes)
        typer.echo(f"✅ node {name}: {kept}")

    go(with_tools(work), quiet=True)


@group.command()
def enable(name: describing.Name) -> None:
    """▶️  Bring a node back into use, once its panel has been looked at."""

    async def work(tools: Tools) -> None:
        async with asking.patience(f"Waiting for the panel of {name}."):
            kept = await nodes.enable(tools, name)
        typer.echo(f"✅ node {name} is in use: {kept}")

    go(with_tools(work), quiet=True)


@group.command()
def disable(name: describing.Name) -> None:
    """💤 Take a node out of use at once; others serve its customers. To move them first: ferryman node drain."""

    async def work(tools: Tools) -> None:
        await nodes.disable(tools, name)
        typer.echo(f"💤 node {name} is off; its clients stay in its panel until it comes back.")

    go(with_tools(work), quiet=True)


@group.command()
def inbounds(
    name: describing.Name,
    choose: Annotated[str, typer.Option(help='Put keys on these alone: "all", or ids such as 1,3.')] = "",
    tag: describing.Tags = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Take in what the panel shows of the chosen ones.")
    ] = False,
    open_: describing.Open = None,
    target: describing.Target = "",
    as_json: describing.AsJson = False,
) -> None:
    """🚪 What the panel offers; choose among it, or have an inbound made."""
    wanted, tags = describing.wanted(choose), describing.tags_of(tag)
    made = describing.new_inbound(open_, target)

    async def work(tools: Tools) -> None:
        async with asking.patience(f"Waiting for the panel of {name}."):
            if made is not None:
                typer.echo(f"✅ node {name}: {await nodes.open_inbound(tools, name, made)}")
            if wanted is not None or tags:
                typer.echo(f"✅ node {name}: {await nodes.set_inbounds(tools, name, wanted, tags)}")
            if refresh:
                typer.echo(f"✅ node {name}: {await nodes.refresh(tools, name)}")
            node, seen = await nodes.offers(tools, name)
        chosen = {one.panel_id for one in node.inbounds if one.enabled}
        if as_json:
            show_json([picturing.offer(offer, offer.inbound.panel_id in chosen) for offer in seen.offers])
            return
        for line in picturing.offers(seen.offers, chosen):
            typer.echo(line)

    go(with_tools(work), quiet=True)


def _host_of(url: str) -> str:
    return url.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1].rsplit(":", 1)[0]


def _country(location: str, country: str) -> str:
    """Asked for where a location is surely new: when none was named, the node makes one of its own."""
    return country if location else asking.needed("--country", country, "Country (ISO code: NL, DE, FI)")


async def _looked_at(tools: Tools, wish: Wish) -> tuple[Look, Wish]:
    """What the panel offers; at a terminal, an unknown certificate may be pinned on the spot."""
    try:
        async with asking.patience(f"Waiting for the panel of {wish.name}."):
            return await nodes.preview(tools, wish), wish
    except UntrustedCertificate as error:
        if not asking.at_a_terminal() or wish.access.pin:
            raise
        typer.echo(f"⚠️  {error.why}")
        typer.confirm("Is that the panel's own certificate? Then it is pinned", abort=True)
        pinned = replace(wish, access=replace(wish.access, pin=error.shown.sha256))
        return await nodes.preview(tools, pinned), pinned


def _choice(seen: Look, *, making_one: bool) -> Wanted | None:
    if not asking.at_a_terminal() or making_one or not any(offer.usable for offer in seen.offers):
        return None
    for line in picturing.offers(seen.offers, set()):
        typer.echo(line)
    return describing.wanted(str(typer.prompt("Put keys on which inbounds?", default="all")))
