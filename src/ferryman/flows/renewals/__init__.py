"""Stories about subscriptions that go on by themselves: agreed, charged, and ended with one tap."""
