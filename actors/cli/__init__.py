"""The command `everproc`.

The top of the package: it may import the rest of `actors`, click and rich, and nobody imports it. What only an upper
package can do comes from there as a layer of the manifest (`actors.manifest`) or as a command of the entry point group
`everproc.commands`. Start reading at `_main.py`, which has the list of the commands; `_client.py` speaks to nodes that
run, `_program.py` runs one.
"""

from actors.cli._main import run

__all__ = ["run"]
