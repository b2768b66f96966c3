"""Ways of paying out of our own books: a balance, a code, somebody's word. One file and one entry point each."""
