"""The spool on real folders: every odd kind of file, hostile names, refusals, and a death at every step."""
