"""What a person says of a node on the command line, option by option, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

import ferryman.faces.cli.asking as asking
from ferryman.catalog.plan import GIGABYTE
from ferryman.fleet.panel import NewInbound, PanelAccess
from ferryman.fleet.wish import Wanted

Name = Annotated[str, typer.Argument(help="The node's name: a-z, 0-9 and dashes; it never changes.")]
Url = Annotated[str, typer.Option(help="The panel as the browser shows it, with the web base path.")]
Token = Annotated[str, typer.Option(help="The panel's API token, as env:NAME or - (standard input).")]
Username = Annotated[str, typer.Option(help="The panel's user, when there is no token.")]
Password = Annotated[str, typer.Option(help="Its password, as env:NAME or -.")]
Totp = Annotated[str, typer.Option(help="The secret of its second factor, as env:NAME or -.")]
Pin = Annotated[str, typer.Option(help="SHA-256 of the panel's certificate, when nobody vouches for it.")]
Authority = Annotated[Path | None, typer.Option("--ca", help="PEM file of the authority that does.")]
Insecure = Annotated[bool | None, typer.Option("--insecure/--secure", help="Take any certificate, or plain http.")]
Address = Annotated[str, typer.Option(help="What customers connect to: a name or an IP address.")]
Location = Annotated[str, typer.Option(help="The location it stands in; a new one needs --country.")]
Country = Annotated[str, typer.Option(help="Its country's ISO code: NL, DE, FI.")]
Title = Annotated[list[str] | None, typer.Option(help="The location's name: ru=Нидерланды, en=Netherlands.")]
City = Annotated[list[str] | None, typer.Option(help="Its city: ru=Амстердам, en=Amsterdam.")]
Inbounds = Annotated[str, typer.Option(help='"all" that customers can use, or the panel\'s ids: 1,3.')]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="An inbound's tags: 1=fast,video.")]
Open = Annotated[int | None, typer.Option("--open", metavar="PORT", help="Make a VLESS inbound with REALITY there.")]
Target = Annotated[str, typer.Option(help="The site it looks like: host or host:port (TLS 1.3, abroad, not yours).")]
Priority = Annotated[int | None, typer.Option(help="0 to 100, higher is preferred; 50 is usual.")]
Clients = Annotated[int | None, typer.Option("--capacity-clients", help="Keys at a time; 0 = no limit.")]
Gigabytes = Annotated[int | None, typer.Option("--capacity-gb", help="Traffic in thirty days; 0 = no limit.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@dataclass(frozen=True)
class Way:
    """The options about how a panel is reached, as they were given."""

    url: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    totp: str = ""
    pin: str = ""
    ca: Path | None = None
    insecure: bool | None = None

    def __bool__(self) -> bool:
        return self != Way()

    def access(self) -> PanelAccess:
        """For a panel that we know nothing about; what was left out is asked for at a terminal."""
        url = asking.needed("--url", self.url, "The panel's address (https://host:port/base-path/)")
        _require_url(url)
        token = asking.secret("--token", self.token)
        if token is None and not self.username and asking.at_a_terminal():
            token = asking.hidden("API token (empty: user name and password)")
        access = replace(self._taken_into(PanelAccess(url)), token=token)
        return access if token is not None else self._with_password(access)

    def changed(self, access: PanelAccess) -> PanelAccess:
        """What is known, with what was given in its place; a token takes the place of a user, and the other way."""
        if self.url:
            _require_url(self.url)
            access = replace(access, url=self.url)
        token = asking.secret("--token", self.token)
        if token is not None:
            access = replace(access, token=token, username="", password=None, totp=None)
        if self.username or self.password or self.totp:
            access = self._with_password(replace(access, token=None, username=self.username or access.username))
        return self._taken_into(access)

    def _with_password(self, access: PanelAccess) -> PanelAccess:
        username = asking.needed("--token, or --username", self.username or access.username, "User name")
        password = asking.secret("--password", self.password) or access.password
        if password is None and asking.at_a_terminal():
            password = asking.hidden("Password")
        if password is None:
            raise typer.BadParameter("give it, as env:NAME or -.", param_hint="--password")
        totp: SecretStr | None = asking.secret("--totp", self.totp) or access.totp
        return replace(access, username=username, password=password, totp=totp)

    def _taken_into(self, access: PanelAccess) -> PanelAccess:
        if self.pin:
            access = replace(access, pin=self.pin)
        if self.ca is not None:
            access = replace(access, ca=_pem(self.ca))
        return access if self.insecure is None else replace(access, insecure=self.insecure)


def wanted(inbounds: str) -> Wanted | None:
    if not inbounds:
        return None
    return "all" if inbounds == "all" else asking.numbers("--inbounds", inbounds)


def tags_of(given: Sequence[str] | None) -> dict[int, list[str]]:
    named = asking.pairs("--tag", given or ())
    return {asking.numbers("--tag", number)[0]: tags.split(",") for number, tags in named.items()}


def new_inbound(port: int | None, target: str, remark: str = "Ferryman") -> NewInbound | None:
    """`target` without a port means 443."""
    if port is None:
        return None
    if not 1 <= port <= 65535:
        raise typer.BadParameter(f"{port} is no port.", param_hint="--open")
    site = asking.needed("--target", target, "A site it shall look like (host)")
    host, _, its_port = site.partition(":")
    if not host or "/" in site or not (its_port or "443").isdigit():
        raise typer.BadParameter(f"{site!r} must be host or host:port.", param_hint="--target")
    return NewInbound(remark, port, f"{host}:{its_port or 443}", host)


def limits(priority: int | None, clients: int | None, gigabytes: int | None) -> dict[str, Any]:
    """Those that were given."""
    given = {
        "priority": priority,
        "capacity_clients": clients,
        "capacity_bytes": None if gigabytes is None else gigabytes * GIGABYTE,
    }
    return {name: value for name, value in given.items() if value is not None}


def _require_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise typer.BadParameter("it must look like https://host:port/base-path/.", param_hint="--url")


def _pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"there is no certificate (PEM) to be read in {path}.", param_hint="--ca") from error
