"""A module that cannot be imported, for manifests that name it."""

raise RuntimeError("no database here")
