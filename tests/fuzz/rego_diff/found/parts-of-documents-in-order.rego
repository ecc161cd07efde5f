package fuzz

r1 := input.b

r2.s contains 4 if {
	not r1 in [input.m, {}]
}

r2[input.s].b := -2 if {
	input.s
}

r4 contains data.d.s if {
	v38 := {to_number(r2["é"]) | input.s == "a"}
}
