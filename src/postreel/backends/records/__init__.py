"""Record stores: members, ledger, outbox, engagement. One program over SQLite and Postgres."""
