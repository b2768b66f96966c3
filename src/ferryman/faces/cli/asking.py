"""What a command needs and was not told: asked at a terminal, else refused by name. No secret is an argument."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from pydantic import SecretStr

# What the database can hold; a longer number is nobody's, and would end in a traceback.
LARGEST = 2**63 - 1
TelegramId = Annotated[int, typer.Argument(min=1, max=LARGEST, help="The customer's Telegram id.")]

# Seconds after which whoever waits is told what for.
PATIENCE = 2.0
AGAIN = 10.0


def at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def secret(option: str, given: str) -> SecretStr | None:
    """The value behind `env:NAME` or `-` (the next line of standard input); None when nothing was given.

    Anything else is refused, for every user of a machine can read the arguments of its processes.
    """
    if not given:
        return None
    if given == "-":
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    if not given.startswith("env:"):
        raise typer.BadParameter(
            "a secret on the command line can be read by everybody on this machine: give env:NAME of a variable that "
            "holds it, or - and write it to standard input.",
            param_hint=option,
        )
    name = given.removeprefix("env:")
    value = os.environ.get(name)
    if not value:
        raise typer.BadParameter(f"the variable {name} is not set.", param_hint=option)
    return SecretStr(value)


def needed(option: str, given: str, question: str, default: str | None = None) -> str:
    """The given value, or the answer at a terminal; without one the option is named."""
    if given:
        return given
    if not at_a_terminal():
        raise typer.BadParameter("give it; there is nobody to ask here.", param_hint=option)
    return str(typer.prompt(question, default=default)).strip()


def hidden(question: str) -> SecretStr | None:
    """What is typed unseen; None for nothing."""
    typed = str(typer.prompt(question, default="", hide_input=True, show_default=False))
    return SecretStr(typed) if typed else None


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """`["ru=Нидерланды", "en=Netherlands"]` as a dictionary."""
    split = [one.partition("=") for one in given]
    wrong = [one for one, (name, equals, value) in zip(given, split, strict=True) if not (name and equals and value)]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} must look like NAME=VALUE.", param_hint=option)
    return {name: value for name, _, value in split}


def numbers(option: str, given: str) -> list[int]:
    """ "1,3" as a list."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not parts or not all(part.isdigit() for part in parts):
        raise typer.BadParameter(f'{given!r} must be "all", or numbers such as 1,3.', param_hint=option)
    return [int(part) for part in parts]


@asynccontextmanager
async def patience(what: str | Callable[[], str]) -> AsyncIterator[None]:
    """While the block takes longer than two seconds, say what is waited for."""

    async def tell() -> None:
        await asyncio.sleep(PATIENCE)
        while True:
            typer.echo(f"⏳ {what if isinstance(what, str) else what()}", err=True)
            await asyncio.sleep(AGAIN)

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await teller
