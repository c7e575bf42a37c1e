-- The policy of this measurement; `paths` is the list of the question: the stride, then rows.
local stride_at <const>, flags_at <const>, srtt_at <const>, room_at <const> = 1, 2, 5, 11

function choose(head, paths)
  local stride, best, found = paths[stride_at], 0xffffffff, -1
  local row, at = 2, 0
  while row + stride - 1 <= #paths do
    if paths[row + flags_at] & 0x83 == 1 and paths[row + room_at] >= head
      and paths[row + srtt_at] < best then
      best, found = paths[row + srtt_at], at
    end
    row, at = row + stride, at + 1
  end
  return found
end
