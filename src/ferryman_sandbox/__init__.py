"""A world of emulators that speak real HTTP: Telegram's Bot API, 3X-UI panels, YooKassa, and the weather between them.

Nothing here imports `ferryman`, and `ferryman` imports nothing from here: an emulator that shares the client's code
would share its mistakes. Everything binds to loopback only.
"""
