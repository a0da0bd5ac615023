"""Members from a file: who may come in without a mailbox."""

from postreel.collect import parse_members


def test_a_child_without_a_mailbox_comes_in_by_alias() -> None:
    parsed = parse_members(
        ['{"alias": "child-1", "is_child": true, "household": "h1"}', '{"is_child": true}']
    )
    assert [(row.address, row.alias, row.is_child) for row in parsed.rows] == [("", "child-1", True)]
    assert "needs an alias" in parsed.refused[0].reason
