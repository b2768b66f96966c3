"""HTTP: webhooks in, subscription links out."""
