"""Three small programs, each with a race in it and its mend: what `docs/testing.md` finds by simulation."""
