package fuzz

r0 := [v4 | v7 == input.m] if {
	v4 = data.d.sa[_]
	v7 = [input.m, 1][_]
}

r1 := [x | v := input.n; w := "a"; x := [w | v == input.n][_]]

r2[k] := {w: v | v = input.n} if {
	some k, w in input.os
	v := 3
}
