"""A bare Debian, into which the documents' own commands are typed. Not in the gate: `make bare`."""
