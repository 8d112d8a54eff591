"""What happens to a scan: fetched, read, kept, answered."""
