"""Where the outside world comes in: web, bot, API, worker, command line."""
