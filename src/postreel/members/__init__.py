"""Who is written to: ids and addresses.

Public: `new_member_id`, `normal_address`, `MemberRow`.
"""

from postreel.members.identity import MemberRow, member_id_from, member_text, new_member_id, normal_address

__all__ = ["MemberRow", "member_id_from", "member_text", "new_member_id", "normal_address"]
