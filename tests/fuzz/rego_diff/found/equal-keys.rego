package fuzz

r1[k] := v if {
	x = {"a": 1, "b": 2, "b": 4}
	x[k] = v
}
