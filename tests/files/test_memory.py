"""How much memory is free."""

import pytest

from w2v_hs.files.memory import available_bytes


@pytest.mark.parametrize(
    ("folder", "limit", "used", "kind"),
    [
        (".", "memory.max", "memory.current", ""),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ],
)
def test_files_that_the_system_caches_count_as_free(tmp_path, folder, limit, used, kind):
    group = tmp_path / folder
    group.mkdir(exist_ok=True)
    (group / limit).write_text("1000000\n")
    (group / used).write_text("990000\n")
    stat = f"anon 1\n{kind}inactive_file 600000\n{kind}active_file 200000\nslab 7\n"
    (group / "memory.stat").write_text(stat)
    assert available_bytes(tmp_path) == 810_000
