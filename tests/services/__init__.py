"""Tests that need a service of their own: a PostgreSQL server, started on loopback and gone afterwards."""
