"""Every Python block of the documentation runs, in the order of its page; whole programs are in `test_readme.py`."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(?!# \S+\.py\n)(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if BLOCK.search(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path) -> None:
    names: dict[str, Any] = {"__name__": f"docs.{page.stem}"}
    text = page.read_text()
    for block in BLOCK.finditer(text):
        before = text[: block.start(1)].count("\n")
        code = compile(
            "\n" * before + block[1], str(page), "exec"
        )  # so that an error names the line of the page
        exec(code, names)
