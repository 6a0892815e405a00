"""Everything that proves the mailer; run with `make test`."""
