"""Where analyses run: limited worker processes, supervised."""
