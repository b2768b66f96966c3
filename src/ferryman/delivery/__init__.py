"""What a customer's VPN app fetches: the subscription link and the share links in it."""
