"""Made-up webhooks by the hundred thousand: `python -m tests.fuzz 100000 --seed 7`, or `make fuzz`."""
