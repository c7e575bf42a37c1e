# The policy of this measurement; a row is [flags, srtt, room].
package pointsman

usable[position] := row[1] if {
	some position, row in input.paths
	row[0] == 1
	row[2] >= input.head
}

default choose := -1

choose := min([position | some position, srtt in usable; srtt == min([s | some s in usable])])
