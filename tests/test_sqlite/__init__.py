"""The ledger on SQLite: its engine, its file, and the plans of its statements. What is counted is never time."""
