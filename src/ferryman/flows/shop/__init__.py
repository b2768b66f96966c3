"""Stories about the shop itself: set up, staffed, looked over, and speaking to its customers."""
