"""The contract of a ledger: what every engine promises, asked through the Protocol alone."""
