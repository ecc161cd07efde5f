package fuzz

r0 := {"ff": x | some x in input.a} if { true }

r1[input.s] := 1 if { true }

r1["abc"] := 2 if { true }
