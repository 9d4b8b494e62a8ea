"""The programs in the README and the documentation do what stands below them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^```python\n# (\S+\.py)$", re.MULTILINE)
_DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", *(page for page in _DOCS if _FILE.search(page.read_text(encoding="utf-8")))]
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def programs() -> list[tuple[str, dict[str, str], str]]:
    """For each output that a page shows: its page, the files before it on that page, and the output."""
    found: list[tuple[str, dict[str, str], str]] = []
    for page in PAGES:
        files: dict[str, str] = {}
        for language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if language == "python":
                first = text.partition("\n")[0]
                assert first.startswith("# ") and first.endswith(".py"), f"{page}: {first!r} names no file"  # noqa: PT018
                files[first[2:]] = text
            else:
                found.append((page.name, dict(files), text))
    return found


@pytest.mark.parametrize(
    ("page", "files", "output"), programs(), ids=[f"{page}-{[*files][-1]}" for page, files, _ in programs()]
)
def test_a_program_of_the_documentation_prints_what_it_says(
    tmp_path: Path, page: str, files: dict[str, str], output: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    done = subprocess.run(
        [sys.executable, [*files][-1]],
        check=False,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)


def test_the_readme_starts_with_the_two_commands_and_shows_about_forty_lines() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("```")
    shown = [block for language, block in _BLOCK.findall(text) if language == "python"]
    assert 30 <= sum(bool(line.strip()) for block in shown for line in block.splitlines()) <= 45


@pytest.mark.parametrize("page", [PAGES[0], *_DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
