"""aiogram's dialogue state in PostgreSQL: it survives restarts and is shared by processes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseStorage, DefaultKeyBuilder, StateType, StorageKey
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert

from ferryman.faces.bot.tables import DialogueState
from ferryman.kit.clock import Clock
from ferryman.kit.db import Database

# A question that nobody answered for a day is forgotten.
FORGOTTEN_AFTER = timedelta(hours=24)


class PostgresStorage(BaseStorage):
    """Values must be plain JSON: raises TypeError for anything else."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Without them two bots, or two kinds of dialogue of one person, would share a row.
        self._keys = DefaultKeyBuilder(with_bot_id=True, with_destiny=True, with_business_connection_id=True)

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        await self._write(key, state=name)

    async def get_state(self, key: StorageKey) -> str | None:
        row = await self._read(key)
        return None if row is None else row.state

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        await self._write(key, data=dict(data))

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        row = await self._read(key)
        return {} if row is None else row.data

    async def update_data(self, key: StorageKey, data: Mapping[str, Any]) -> dict[str, Any]:
        """Merge in one statement, so that two writers at once both leave their mark."""
        return (await self._write(key, merged=dict(data))).data

    async def close(self) -> None:
        """The database belongs to whoever opened it."""

    async def tidy(self) -> None:
        """Drop what is forgotten."""
        async with self._database.unit() as session:
            await session.execute(delete(DialogueState).where(self._forgotten()))

    async def _read(self, key: StorageKey) -> DialogueState | None:
        async with self._database.unit() as session:
            return await session.scalar(
                select(DialogueState).where(DialogueState.key == self._keys.build(key), ~self._forgotten())
            )

    async def _write(self, key: StorageKey, merged: dict[str, Any] | None = None, **columns: Any) -> DialogueState:
        name, now = self._keys.build(key), self._clock.now()
        new = insert(DialogueState).values(key=name, touched_at=now, **{"data": merged or {}, **columns})
        changes = {**columns, "touched_at": now}
        if merged is not None:
            changes["data"] = DialogueState.data.op("||")(new.excluded.data)
        statement = new.on_conflict_do_update(index_elements=["key"], set_=changes).returning(DialogueState)
        async with self._database.unit() as session:
            await session.execute(delete(DialogueState).where(DialogueState.key == name, self._forgotten()))
            return (await session.scalars(statement)).one()

    def _forgotten(self) -> ColumnElement[bool]:
        return DialogueState.touched_at <= self._clock.now() - FORGOTTEN_AFTER
