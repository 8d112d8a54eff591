"""People, scans, pictures and the inbox, kept in one database."""
