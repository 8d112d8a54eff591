"""Pictures drawn by code that are no scans."""
